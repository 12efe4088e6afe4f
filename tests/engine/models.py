"""Whole model folders made here: a small random model as transformers saves it, beside a vocabulary with its family's special tokens."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import PreTrainedModel

from engine.loading.tiktoken_tokenizer import tiktoken_tokenizer_json
from engine.tokenizer import Tokenizer
from tests.engine.checkpoints import save_random
from tests.engine.vocabularies import chatml_json, llama3_json, trained_ranks, write_tiktoken

# Room for the system text, some passages and an answer in one attention chunk, as in the real ones.
ROOM = {"max_position_embeddings": 2048, "attention_chunk_size": 2048}


@cache
def llama4_json() -> str:
    with TemporaryDirectory() as folder:
        return tiktoken_tokenizer_json(write_tiktoken(Path(folder) / "tokenizer.model", trained_ranks()))


VOCABULARIES = {"llama4": llama4_json, "llama4_text": llama4_json, "llama": llama3_json, "smollm3": chatml_json}


def save_model(family: str, folder: Path, **overrides: Any) -> PreTrainedModel:
    """Write checkpoint and vocabulary of a family into `folder`; returns transformers' model."""
    folder.mkdir(parents=True, exist_ok=True)
    serialised = VOCABULARIES[family]()
    (folder / "tokenizer.json").write_text(serialised, encoding="utf-8")
    room = ROOM if family.startswith("llama4") else {"max_position_embeddings": ROOM["max_position_embeddings"]}
    return save_random(family, folder, **({"vocab_size": len(Tokenizer(serialised))} | room | overrides))
