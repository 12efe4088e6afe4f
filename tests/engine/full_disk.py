"""A process that asks and reads ahead while its store's disk fills up, so that a test can see what it does then.

`python -m tests.engine.full_disk MODEL STORE FOLDER [BYTES]` opens a small model with a store; from then on it writes no file beyond so
many bytes. It asks a question of one prompt after another, reads each ahead, and asks all of them once more. It says what it found as
JSON: the answers of both rounds, tokens read for each, prompts that could not be read ahead, and what the status says at the end.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from engine.engine import Engine
from engine.errors import StoreFull
from tests.engine.fed import Fed
from tests.flow.asking import asked, prompt

PROMPTS = 12


def main(model: Path, store: Path, folder: Path, most_bytes: int | None) -> None:
    engine = Engine.open(model, store, reading="spans")
    fed, full = Fed(engine.decoder), list[int]()
    if most_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    prompts = [prompt(engine, folder, number) for number in range(PROMPTS)]
    answers, read = [], []
    for number in (*range(PROMPTS), *range(PROMPTS)):
        fed.take()
        answers.append(asked(engine, prompts[number]))
        read.append(fed.take())
        try:
            for _ in engine.prefill(prompts[number]):
                pass
        except StoreFull:
            full.append(number)
    status = engine.status()
    print(json.dumps({"answers": answers, "read": read, "full": full, "chunks": status.store_chunks, "refused": status.store_refused}))
    engine.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), int(sys.argv[4]) if len(sys.argv) > 4 else None)
