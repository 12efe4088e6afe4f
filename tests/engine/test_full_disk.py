"""A disk that fills up under the engine: it says so, answers from what it has, and reads the rest in memory when a question needs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.cache.stats import stats_beside
from engine.loading.bundled import fetch
from engine.loading.gguf_tokenizer import gguf_tokenizer_json
from engine.tokenizer import Tokenizer
from tests.architecture.source import ROOT
from tests.engine.checkpoints import save_random
from tests.engine.full_disk import PROMPTS

pytestmark = pytest.mark.weights


def asking(folder: Path, store: str, *limit: int) -> tuple[dict[str, Any], str]:
    """What the process found, and its log."""
    places = [str(folder / name) for name in ("model", store, f"texts of {store}")]
    command = [sys.executable, "-m", "tests.engine.full_disk", *places, *map(str, limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_it_answers_the_same_on_a_full_disk_from_what_it_has(tmp_path: Path) -> None:
    vocabulary = gguf_tokenizer_json(fetch() / "model.gguf")
    save_random("llama", tmp_path / "model", vocab_size=len(Tokenizer(vocabulary)), max_position_embeddings=2048)
    (tmp_path / "model" / "tokenizer.json").write_text(vocabulary, encoding="utf-8")
    roomy, quiet = asking(tmp_path, "roomy")
    full, log = asking(tmp_path, "full", stats_beside(tmp_path / "roomy").file_bytes // 2)
    assert (roomy["full"], roomy["refused"], "room" in quiet) == ([], None, False)

    assert full["answers"] == roomy["answers"]
    stored, again = set(range(PROMPTS)) - set(full["full"]), full["read"][PROMPTS:]
    assert 0 < full["chunks"] < roomy["chunks"]
    assert stored, "what came before it was full is there"
    assert full["full"], "and it was full"
    assert all(again[number] == roomy["read"][PROMPTS + number] for number in stored), "nothing stored is read again"
    assert all(again[number] > roomy["read"][PROMPTS + number] for number in full["full"][-2:]), "what is not stored is, each time"

    assert "Make room on its disk" in full["refused"]
    assert log.count("Make room on its disk") == 1, "the log says so, once a minute at most"
    assert "what is not stored is read when a question needs it" in log

    assert stats_beside(tmp_path / "full").chunks == full["chunks"]
    later, _ = asking(tmp_path, "full")
    assert later["answers"] == roomy["answers"]
    assert (later["chunks"], later["refused"]) == (roomy["chunks"], None), "once there is room, all is stored"
