"""Which way to answer a model's files ask for: {"longread": {"reading": "composed"}} in an adapter's settings or in a model's config.json.

So a model that was trained for one says so itself. An adapter's word counts before the model's. Reads no weights. Imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from engine.loading.config_fields import Fields, read_json

# spans: words of the prompt; free: the model's own words over one window; composed: its own words over the stored state of chunks; exact:
# over that of the whole prompt, read as one sequence.
Reading = Literal["spans", "free", "composed", "exact"]
OURS, READING = "longread", "reading"
SETTINGS = "adapter_config.json"  # of an adapter, in PEFT's format


def named_reading(model: Path, adapter: Path | None) -> Reading | None:
    """None where neither says anything, as in a GGUF file. Raises ModelDamaged for a way that there is not."""
    config = model if model.suffix == ".json" else model / "config.json"
    places = ([adapter / SETTINGS] if adapter else []) + ([config] if config.is_file() else [])
    return next((named for place in places if (named := reading_in(place)) is not None), None)


def reading_in(place: Path) -> Reading | None:
    ours = Fields(read_json(place), str(place)).part(OURS)
    named = ours.get(READING)
    if named is not None and named not in get_args(Reading):
        raise ours.refusal(READING, f"there are {', '.join(get_args(Reading))}")
    chosen: Reading | None = named
    return chosen
