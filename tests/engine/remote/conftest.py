"""The bundled model's tokenizer, and a lease to ask a server about: by itself, and after more than the real server takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.prompt import Prompt
from engine.tokenizer import Tokenizer
from tests.engine.prompts import make_prompt
from tests.engine.remote.asking import BODIES


@pytest.fixture(scope="package")
def tokenizer(weights_folder: Path) -> Tokenizer:
    return Tokenizer.open(weights_folder)


@pytest.fixture(scope="module")
def prompt(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    return make_prompt(tmp_path_factory.mktemp("prompt"), tokenizer, {"lease": BODIES})


@pytest.fixture(scope="module")
def long_prompt(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    """About 2,500 tokens."""
    fillers = [f"Clause {number} of the lease is about the rent of garage {number}. " * 6 for number in range(30)]
    return make_prompt(tmp_path_factory.mktemp("long"), tokenizer, {"garages": fillers, "lease": BODIES})
