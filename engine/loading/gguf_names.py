"""The tensors of a GGUF file under our names: one table for the dense layers of all architectures, one for Llama 4's experts.

Knows no files. Imports no torch.
"""

from __future__ import annotations

from engine.config import Experts, ModelConfig
from engine.loading.pieces import Layout, Piece, Pieces, Table, layer_pieces, whole

OUTSIDE: Table = {"embed.weight": ("token_embd.weight",), "norm.weight": ("output_norm.weight",)}
HEAD: Table = {"head.weight": ("output.weight",)}
ATTENTION: Table = {
    "attention_norm.weight": ("attn_norm.weight",),
    "attention.qkv.weight": ("attn_q.weight", "attn_k.weight", "attn_v.weight"),
    "attention.out.weight": ("attn_output.weight",),
    "feed_forward_norm.weight": ("ffn_norm.weight",),
}
DENSE: Table = ATTENTION | {
    "feed_forward.gate_up.weight": ("ffn_gate.weight", "ffn_up.weight"),
    "feed_forward.down.weight": ("ffn_down.weight",),
}
MOE: Table = ATTENTION | {
    "feed_forward.router.weight": ("ffn_gate_inp.weight",),
    "feed_forward.shared.gate_up.weight": ("ffn_gate_shexp.weight", "ffn_up_shexp.weight"),
    "feed_forward.shared.down.weight": ("ffn_down_shexp.weight",),
}


def gguf_pieces(config: ModelConfig) -> Pieces:
    """What each of our tensors is made of.

    All these files pair neighbours: those of llama and smollm3 had their rows put so in every layer, those of llama4 are so from the
    start, in the layers with positions.
    """
    made = {ours: whole(sources) for ours, sources in (OUTSIDE | ({} if config.tied else HEAD)).items()}
    for layer in range(config.layers):
        prefix, moe = f"blk.{layer}.", config.moe[layer]
        parts = layer_pieces(config, MOE if moe else DENSE, prefix, neighbours=config.family != "llama4" or config.rope[layer])
        if moe and config.experts is not None:
            parts |= expert_pieces(config.experts, prefix)
        made |= {f"layers.{layer}.{ours}": sources for ours, sources in parts.items()}
    return made


def expert_pieces(experts: Experts, prefix: str) -> Pieces:
    """GGUF files hold the experts in one tensor a kind, [E, out, in]."""
    rows, gate, up = slice(None), slice(0, experts.ffn), slice(experts.ffn, 2 * experts.ffn)
    return {
        "feed_forward.experts.gate_up": (
            Piece(f"{prefix}ffn_gate_exps.weight", (rows, rows, gate), Layout.TRANSPOSED),
            Piece(f"{prefix}ffn_up_exps.weight", (rows, rows, up), Layout.TRANSPOSED),
        ),
        "feed_forward.experts.down": (Piece(f"{prefix}ffn_down_exps.weight", (), Layout.TRANSPOSED),),
    }
