"""Llama 4's tokenizer.model -> the JSON form that the `tokenizers` library reads.

The file has a line a token, in the tiktoken format: the token's bytes in base64, a blank, its rank, which is its id. It holds no merges
and no special tokens. The merges follow from the ranks (`merge_of`). The special tokens are a fixed table of 2,048 names whose ids come
after the last rank, 200,000 in the published vocabulary; a smaller one, for tests, moves them down.

Meta's reference cuts text into slices of 400,000 characters, and a run of more than 25,000 blanks or visible characters, before it
encodes, for its regular expressions overflow on longer ones. We do not: such a cut changes a token or two beside it, in a place where a
model learnt nothing about it, and `Tokenizer` cuts long text where no token can span. Imports no torch.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, models

from engine.errors import ModelDamaged
from engine.loading.byte_level import O200K_PATTERN, byte_alphabet, pattern_split

SPECIAL_COUNT = 2048

# By place after the last rank. Only these have a meaning.
NAMED = {
    0: "begin_of_text",
    1: "end_of_text",
    2: "fim_prefix",
    3: "fim_middle",
    4: "fim_suffix",
    5: "header_start",
    6: "header_end",
    7: "eom",
    8: "eot",
    9: "step",
    16: "python_start",
    17: "python_end",
    18: "finetune_right_pad",
    80: "image_start",
    81: "image_end",
    84: "tile_x_separator",
    85: "tile_y_separator",
    90: "image",
    92: "patch",
    1142: "reasoning_thinking_start",
    1143: "reasoning_thinking_end",
}
# First and last place, group, the number of the first. Publishers number the second row from 6 or from 8; no model was trained on one.
RESERVED = [
    (10, 15, "text_post_train_", 0),
    (19, 79, "text_post_train_", 8),
    (82, 83, "vision_", 0),
    (86, 89, "vision_", 2),
    (91, 91, "vision_", 6),
    (93, 1133, "vision_", 7),
    (1134, 1141, "reasoning_", 0),
    (1144, SPECIAL_COUNT - 1, "", 0),
]


def tiktoken_tokenizer_json(path: Path) -> str:
    """The vocabulary of a tokenizer.model as tokenizer.json. Raises ModelDamaged for a file that is damaged or of another kind."""
    ranks = read_ranks(path)
    _check_size(path, len(ranks) + SPECIAL_COUNT)
    alphabet = byte_alphabet()

    def written(token: bytes) -> str:
        return "".join(alphabet[byte] for byte in token)

    merges = [(written(pair[0]), written(pair[1])) for pair in (merge_of(token, ranks) for token in ranks) if pair]
    bpe = Tokenizer(models.BPE(vocab={written(token): rank for token, rank in ranks.items()}, merges=merges, ignore_merges=True))
    bpe.pre_tokenizer = pattern_split(O200K_PATTERN)
    bpe.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special_names()])
    return str(bpe.to_str())


def read_ranks(path: Path) -> dict[bytes, int]:
    """Rank by token, lowest first. Raises ModelDamaged where a line is unreadable, a rank is missing or a byte has no token."""
    lines = path.read_bytes().splitlines()
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(lines, start=1):
        token, _, rank = line.partition(b" ")
        try:
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except ValueError as error:  # binascii.Error is one
            raise _damaged(path, f"line {number} is not a base64 token and its rank; SentencePiece vocabularies cannot be used") from error
    if b"" in ranks or sorted(ranks.values()) != list(range(len(lines))):
        raise _damaged(path, "its ranks are not 0, 1, 2 ... with a token each")
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise _damaged(path, f"it has no token for {len(missing)} of the 256 bytes, the first of them {missing[0]:#04x}")
    return dict(sorted(ranks.items(), key=lambda item: item[1]))


def merge_of(token: bytes, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes] | None:
    """The two tokens that a token is merged from; None for a single byte and for a token that no merging reaches.

    tiktoken merges the neighbours whose union has the lowest rank, the leftmost first. What it does inside a token's bytes does not
    depend on what stands around them as long as nothing merges across their ends. So the pair that it ends on here, with the token's
    bytes alone, is the only one that ever becomes this token, and one merge a token gives tiktoken's ids exactly. A token that is
    never reached still stands for a piece that equals it (`ignore_merges`), as in tiktoken.
    """
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        unions = [left + right for left, right in pairwise(parts)]
        best = min(range(len(unions)), key=lambda i: ranks.get(unions[i], len(ranks)))
        if unions[best] not in ranks:
            return None
        parts[best : best + 2] = [unions[best]]
    return (parts[0], parts[1]) if len(parts) == 2 else None


def special_names() -> list[str]:
    """The special tokens in the order of their ids."""
    names = dict(NAMED)
    for first, last, group, number in RESERVED:
        names |= {place: f"{group}reserved_special_token_{number + place - first}" for place in range(first, last + 1)}
    return [f"<|{names[place]}|>" for place in range(SPECIAL_COUNT)]


def _check_size(path: Path, tokens: int) -> None:
    """A file that lost whole lines at its end looks sound but for its length, which the model's config knows."""
    config = path.with_name("config.json")
    if not config.is_file():
        return
    try:
        fields = json.loads(config.read_text(encoding="utf-8"))
        expected = fields.get("text_config", fields).get("vocab_size", tokens)
    except (ValueError, AttributeError):
        return  # a damaged config is reported by who reads it
    if expected != tokens:
        raise _damaged(path, f"it makes {tokens:,} tokens with the special ones, and config.json says {expected:,}")


def _damaged(path: Path, why: str) -> ModelDamaged:
    return ModelDamaged(f"{path} is not a whole tiktoken vocabulary: {why}. Fetch the file again, or put the model's tokenizer.json there.")
