"""A llama in the Scout layout: every fourth layer global and without positions, the others in attention chunks.

The weights stay where they are; which layer does what is data (`engine.config`). An adapter that was trained so says it in its settings:
{"longread": {"layout": {"global_every": 4, "attention_chunk": 8192, "context": 16384}}}. Reads no weights. Imports no torch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from engine.config import ModelConfig
from engine.errors import ModelDamaged
from engine.loading.config_fields import Fields, read_json
from engine.loading.named_reading import OURS, SETTINGS

LAYOUT = "layout"


@dataclass(frozen=True, slots=True)
class ScoutLayout:
    """`context`: tokens of chunks, question and answer that it was made to read at a time."""

    global_every: int = 4
    attention_chunk: int = 8192
    context: int = 16_384

    def of(self, config: ModelConfig) -> ModelConfig:
        """Raises ModelDamaged for a model that is no ordinary llama."""
        if config.family != "llama" or not all(config.rope) or any(config.chunked):
            raise ModelDamaged(f"{config.name} is no llama whose layers are all alike, so it has no Scout layout. Use its own adapter.")
        chunked = tuple((layer + 1) % self.global_every != 0 for layer in range(config.layers))
        return replace(config, rope=chunked, chunked=chunked, attention_chunk=self.attention_chunk, context=self.context)

    def as_json(self) -> dict[str, int]:
        return asdict(self)


def named_layout(adapter: Path) -> ScoutLayout | None:
    """None for an adapter that leaves its base's layers as they are. Raises ModelDamaged for a layout that there cannot be."""
    ours = Fields(read_json(adapter / SETTINGS), str(adapter / SETTINGS)).part(OURS)
    if ours.get(LAYOUT) is None:
        return None
    fields = ours.part(LAYOUT)
    made = ScoutLayout(*(fields.integer(name) for name in ("global_every", "attention_chunk", "context")))
    if min(made.global_every - 1, made.attention_chunk, made.context) < 1:
        raise ours.refusal(LAYOUT, "one layer in two at most is global, and sizes are above zero")
    return made
