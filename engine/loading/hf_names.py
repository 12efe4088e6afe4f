"""The tensors of a Hugging Face checkpoint under our names: one table a family.

Names are written as the text-only classes save them; `plain_name` brings those of the other classes to that form. Knows no files.
Imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection

from engine.config import Experts, ModelConfig, VisionConfig
from engine.loading.pieces import Layout, Piece, Pieces, Table, layer_pieces, stacked, whole
from engine.loading.vision_names import NAMES as VISION

OUTSIDE: Table = {"embed.weight": ("model.embed_tokens.weight",), "norm.weight": ("model.norm.weight",)}
HEAD: Table = {"head.weight": ("lm_head.weight",)}
ATTENTION: Table = {
    "attention_norm.weight": ("input_layernorm.weight",),
    "attention.qkv.weight": ("self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"),
    "attention.out.weight": ("self_attn.o_proj.weight",),
    "feed_forward_norm.weight": ("post_attention_layernorm.weight",),
}
LLAMA: Table = ATTENTION | {
    "feed_forward.gate_up.weight": ("mlp.gate_proj.weight", "mlp.up_proj.weight"),
    "feed_forward.down.weight": ("mlp.down_proj.weight",),
}
LLAMA4_DENSE: Table = ATTENTION | {
    "feed_forward.gate_up.weight": ("feed_forward.gate_proj.weight", "feed_forward.up_proj.weight"),
    "feed_forward.down.weight": ("feed_forward.down_proj.weight",),
}
LLAMA4_MOE: Table = ATTENTION | {
    "feed_forward.router.weight": ("feed_forward.router.weight",),
    "feed_forward.shared.gate_up.weight": ("feed_forward.shared_expert.gate_proj.weight", "feed_forward.shared_expert.up_proj.weight"),
    "feed_forward.shared.down.weight": ("feed_forward.shared_expert.down_proj.weight",),
    "feed_forward.experts.gate_up": ("feed_forward.experts.gate_up_proj",),
    "feed_forward.experts.down": ("feed_forward.experts.down_proj",),
}
# Files made for quantisers hold each expert by itself, [out, in] as a linear layer does.
EXPERT_GATE = "feed_forward.experts.{}.gate_proj.weight"
EXPERT_UP = "feed_forward.experts.{}.up_proj.weight"
EXPERT_DOWN = "feed_forward.experts.{}.down_proj.weight"

# A saved class's prefix -> the text-only class's; the first that fits counts.
PREFIXES = (
    ("language_model.model.", "model."),
    ("language_model.lm_head.", "lm_head."),
    ("model.language_model.", "model."),
    ("model.vision_model.", "vision_model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
)
# Constants that older files carry along; they follow from the config.
CONSTANTS = ("rotary_emb.inv_freq", "rotary_embedding.freqs_ci")


def plain_name(name: str) -> str:
    return next((ours + name.removeprefix(theirs) for theirs, ours in PREFIXES if name.startswith(theirs)), name)


def hf_pieces(config: ModelConfig, found: Collection[str] = ()) -> Pieces:
    """What each of our tensors is made of. `found`, the checkpoint's plain names, decides between fused and unfused experts."""
    made = {ours: whole(sources) for ours, sources in (OUTSIDE | ({} if config.tied else HEAD)).items()}
    for layer in range(config.layers):
        prefix = f"model.layers.{layer}."
        # Llama 4's files pair neighbours, and our decoder turns halves; a layer without positions turns nothing.
        parts = layer_pieces(config, table_of(config, layer), prefix, neighbours=config.family == "llama4" and config.rope[layer])
        if config.experts and prefix + EXPERT_GATE.format(0) in found:
            parts |= unfused(config.experts, prefix)
        made |= {f"layers.{layer}.{ours}": sources for ours, sources in parts.items()}
    return made | (vision_pieces(config.vision) if config.vision else {})


def table_of(config: ModelConfig, layer: int) -> Table:
    if config.family != "llama4":
        return LLAMA
    return LLAMA4_MOE if config.moe[layer] else LLAMA4_DENSE


def unfused(experts: Experts, prefix: str) -> Pieces:
    """Experts that lie in tensors of their own."""
    gate, up, rows = slice(0, experts.ffn), slice(experts.ffn, 2 * experts.ffn), slice(None)
    into = [(EXPERT_GATE, (rows, gate)), (EXPERT_UP, (rows, up))]
    count = range(experts.count)
    return {
        "feed_forward.experts.gate_up": tuple(
            Piece(prefix + name.format(expert), (expert, *part), Layout.TRANSPOSED) for expert in count for name, part in into
        ),
        "feed_forward.experts.down": tuple(Piece(prefix + EXPERT_DOWN.format(expert), (expert,), Layout.TRANSPOSED) for expert in count),
    }


def vision_pieces(vision: VisionConfig) -> Pieces:
    made: Pieces = {}
    for ours, sources in VISION.items():
        for layer in range(vision.layers if "{}" in ours else 1):
            named = tuple(source.format(layer) for source in sources)
            made[ours.format(layer)] = whole(named) if len(named) == 1 else stacked(named, (vision.hidden,) * len(named))
    return made
