"""A GGUF file's vocabulary -> the JSON form that the `tokenizers` library reads. Knows only byte-level BPE. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from engine.errors import ModelDamaged
from engine.loading.byte_level import LLAMA3_PATTERN, O200K_PATTERN, gpt2_split, pattern_split, smollm_split
from engine.loading.gguf_config import QuickReader

# tokenizer.ggml.token_type of the tokens that no merging makes: special ones, and added words such as `<think>`.
CONTROL, USER_DEFINED = 3, 4


@dataclass(frozen=True, slots=True)
class Split:
    """How a named vocabulary splits text, and whether a piece that is a token is taken whole, without regard to the merges."""

    pieces: pre_tokenizers.PreTokenizer
    whole: bool = False


LLAMA3_SPLIT = Split(pattern_split(LLAMA3_PATTERN), whole=True)
SPLITS = {
    "smollm": Split(smollm_split()),
    "gpt-2": Split(gpt2_split()),
    "llama-bpe": LLAMA3_SPLIT,
    "smaug-bpe": LLAMA3_SPLIT,  # what converters write for SmolLM3
    "llama4": Split(pattern_split(O200K_PATTERN), whole=True),
}


def gguf_tokenizer_json(path: Path) -> str:
    """The vocabulary of a GGUF file as tokenizer.json. Raises ModelDamaged for a file or a kind of vocabulary that we cannot read."""
    try:
        fields = QuickReader(path).fields
        kind, pre = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("model", "pre"))
        tokens, types, merges = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "token_type", "merges"))
    except (KeyError, ValueError, IndexError) as error:
        raise ModelDamaged(f"{path} has no readable vocabulary ({error}). Fetch the file again.") from error
    if kind != "gpt2" or pre not in SPLITS:
        raise ModelDamaged(f"{path} uses the vocabulary {kind}/{pre}; known are gpt2/{', gpt2/'.join(SPLITS)}. Use another model.")
    vocabulary, pairs = {token: id for id, token in enumerate(tokens)}, [tuple(merge.split(" ", 1)) for merge in merges]
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs, ignore_merges=SPLITS[pre].whole))
    bpe.pre_tokenizer = SPLITS[pre].pieces
    typed = list(zip(tokens, types, strict=True))
    bpe.add_special_tokens([AddedToken(token, special=True, normalized=False) for token, type_ in typed if type_ == CONTROL])
    bpe.add_tokens([AddedToken(token, special=False, normalized=False) for token, type_ in typed if type_ == USER_DEFINED])
    return str(bpe.to_str())
