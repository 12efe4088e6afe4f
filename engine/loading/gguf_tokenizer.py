"""A GGUF file's vocabulary -> the JSON form that the `tokenizers` library reads. Knows only byte-level BPE. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from engine.errors import ModelDamaged

CONTROL = 3  # tokenizer.ggml.token_type: a special token

# How each named vocabulary splits text before the merges.
PRE_TOKENIZERS: dict[str, pre_tokenizers.PreTokenizer] = {
    "smollm": pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    ),
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
}


def tokenizer_json(path: Path) -> str:
    """The vocabulary of a GGUF file as tokenizer.json. Raises ModelDamaged for a file or a kind of vocabulary that we cannot read."""
    try:
        fields = GGUFReader(path).fields
        kind, pre = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("model", "pre"))
        tokens, types, merges = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "token_type", "merges"))
    except (KeyError, ValueError, IndexError) as error:
        raise ModelDamaged(f"{path} has no readable vocabulary ({error}). Fetch the file again.") from error
    if kind != "gpt2" or pre not in PRE_TOKENIZERS:
        raise ModelDamaged(f"{path} uses the vocabulary {kind}/{pre}; known are gpt2/{', gpt2/'.join(PRE_TOKENIZERS)}. Use another model.")
    pairs = [tuple(merge.split(" ", 1)) for merge in merges]
    bpe = Tokenizer(models.BPE(vocab={token: id for id, token in enumerate(tokens)}, merges=pairs))
    bpe.pre_tokenizer = PRE_TOKENIZERS[pre]
    bpe.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token, type_ in zip(tokens, types, strict=True) if type_ == CONTROL]
    )
    return str(bpe.to_str())
