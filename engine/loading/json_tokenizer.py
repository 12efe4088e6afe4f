"""tokenizer.json, as the `tokenizers` library reads it, made to keep every byte of the text, or refused.

What would change text or ids behind our back is turned off: Unicode normalisers (quotes are verbatim), truncation, padding, and added
tokens that swallow the blanks beside them. Post-processors are never run: who wants a begin-of-text writes it. Imports no torch.
"""

from __future__ import annotations

import json

import tokenizers

from engine.errors import ModelDamaged


def byte_level_bpe(serialised: str) -> tokenizers.Tokenizer:
    """The tokenizer of a tokenizer.json. Special tokens that stand in text are text to it.

    Raises ModelDamaged for a vocabulary of another kind than byte-level BPE, and whatever the library raises for unreadable JSON.
    """
    bpe = tokenizers.Tokenizer.from_str(serialised)
    if any(token.lstrip or token.rstrip for token in bpe.get_added_tokens_decoder().values() if not token.special):
        bpe = tokenizers.Tokenizer.from_str(_without_swallowing(serialised))
    kind = type(bpe.model).__name__
    if kind != "BPE":
        raise not_byte_level(kind)
    if bpe.model.byte_fallback:
        raise not_byte_level("SentencePiece BPE with byte fallback")
    bpe.normalizer = None
    bpe.no_truncation()
    bpe.no_padding()
    bpe.encode_special_tokens = True
    return bpe


def not_byte_level(kind: str) -> ModelDamaged:
    return ModelDamaged(
        f"This model's vocabulary is not byte-level BPE but {kind}, which does not keep every byte of a text. "
        "Use a model with a byte-level vocabulary: Llama 3 or 4, SmolLM, Qwen, or another of GPT-2's kind."
    )


def _without_swallowing(serialised: str) -> str:
    fields = json.loads(serialised)
    fields["added_tokens"] = [token | {"lstrip": False, "rstrip": False} for token in fields["added_tokens"]]
    return json.dumps(fields)
