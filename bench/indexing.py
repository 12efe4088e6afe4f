"""A process that gives a prompt its scan records: really indexed up to `real` tokens, stood in for beyond (bench.tiers)."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.library import Library
from bench.process import Figures, Request, answer
from bench.tiers import Tiers


def measure(request: Request) -> Figures:
    """`library` and `store` are folders; `tokens`: of the whole prompt. With `rates` it is only measured how fast both tiers are."""
    library = Library(Path(request["library"]))
    if request["rates"]:
        with tempfile.TemporaryDirectory(prefix="longread-bench-") as folder:
            return Tiers.open(Path(folder)).rates(library.prompt(request["tokens"]))
    tiers = Tiers.open(Path(request["store"]))
    indexed, prompt = library.prompt(request["real"]), library.prompt(request["tokens"])
    tiers.index(indexed)
    tiers.stand_in(prompt, indexed)
    return {"tokens": prompt.tokens, "chunks": prompt.chunks, "indexed_tokens": min(indexed.tokens, prompt.tokens)}


if __name__ == "__main__":
    answer(measure)
