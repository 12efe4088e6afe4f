"""Text <-> token ids, exactly: the tokens' bytes, put together, are the text's UTF-8.

Byte-level BPE without normaliser, prefix space or added begin-of-text. Special tokens never come out of text: "<|im_end|>" in a document
is seven ordinary tokens, for otherwise a document could end its own turn and give orders. They are had by name only, through `special`.
Added tokens that are not special (`<think>` in some vocabularies) are words like others. Knows no prompt and no model. Imports no torch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import tokenizers
from numpy.typing import NDArray

from engine.errors import ModelDamaged, ModelMissing
from engine.loading.byte_level import byte_alphabet
from engine.loading.files import keep_beside
from engine.loading.gguf_tokenizer import gguf_tokenizer_json
from engine.loading.json_tokenizer import byte_level_bpe, not_byte_level
from engine.loading.tiktoken_tokenizer import tiktoken_tokenizer_json
from engine.prompt import TokenArray

SLICE_CHARACTERS = 100_000
# Where a token ends in each split that we know (byte_level.py): before a blank that follows a visible character, and before a newline or
# some punctuation that follows a letter or digit (after punctuation a newline may belong to the token).
CUT = re.compile(r"(?<=\S) |(?<=[^\W_])[\n,.;。，、；]")

# What the vocabulary cannot spell (a few control characters, unassigned planes, lone surrogates) is read as a stand-in of as many bytes.
STAND_IN = {1: "?", 2: "¿", 3: "\N{REPLACEMENT CHARACTER}", 4: "\U0001f7e6"}
FIRST_OF_LEAD = [(0xC2, 0xDF, 0x1F, 6), (0xE0, 0xEF, 0x0F, 12), (0xF0, 0xF4, 0x07, 18)]

PROBES = ["Aé 東\n\nb1  ", "  a"]
NAMES_SHOWN = 24


class Tokenizer:
    """One model's vocabulary. Safe to share between threads. Raises ModelDamaged for a vocabulary that is not byte-level BPE."""

    def __init__(self, serialised: str) -> None:
        self._bpe = byte_level_bpe(serialised)
        added = self._bpe.get_added_tokens_decoder()
        self.specials = {token.content: id for id, token in added.items() if token.special}
        self._bytes = token_bytes_table(self._bpe)
        self._unspellable = unspellable(self._bytes)
        self.fingerprint = hashlib.blake2b(serialised.encode(), digest_size=16).hexdigest()
        if any(self.decode(self.encode(probe)) != probe for probe in PROBES):
            raise not_byte_level("BPE that adds or drops blanks or marks")
        spelled = [name for name, id in self.specials.items() if id in self.encode(name)]
        if spelled:
            raise ModelDamaged(f"In this vocabulary plain text becomes the special token {spelled[0]}. Use another model.")

    @classmethod
    def open(cls, folder: Path) -> Tokenizer:
        """The tokenizer of the model in `folder`: its tokenizer.json, made from the GGUF file or tokenizer.model the first time.

        A tokenizer.json older than the GGUF file is made anew. Beside a tokenizer.model it stays, for a checkpoint may bring both.
        Raises ModelMissing or ModelDamaged.
        """
        cached, gguf, ranks = folder / "tokenizer.json", gguf_in(folder), folder / "tokenizer.model"
        if cached.is_file() and (not gguf.is_file() or cached.stat().st_mtime_ns >= gguf.stat().st_mtime_ns):
            serialised = cached.read_text(encoding="utf-8")
        elif gguf.is_file() or ranks.is_file():
            serialised = gguf_tokenizer_json(gguf) if gguf.is_file() else tiktoken_tokenizer_json(ranks)
            keep_beside(cached, lambda path: path.write_text(serialised, encoding="utf-8"))
        else:
            raise ModelMissing(
                f"{folder} holds neither tokenizer.json nor model.gguf nor tokenizer.model. "
                "Run `python -m engine.loading.bundled`, or set LONGREAD_MODEL."
            )
        try:
            return cls(serialised)
        except ModelDamaged:
            raise
        except Exception as error:  # the library raises bare Exception on JSON that it cannot use
            raise ModelDamaged(
                f"{cached} cannot be read ({error}). Delete it; it is made again from model.gguf or tokenizer.model, or fetch it again."
            ) from error

    def __len__(self) -> int:
        return len(self._bytes)

    def encode(self, text: str) -> TokenArray:
        """int32 [tokens]. Any text, of any length; time grows in step with it."""
        text = self._unspellable.sub(lambda match: STAND_IN[utf8_length(match[0])], text)
        pieces = self._bpe.encode_batch_fast(list(slices(text)), add_special_tokens=False)
        return np.fromiter((id for piece in pieces for id in piece.ids), dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these tokens; special ones stand for none, a character cut in two shows as U+FFFD."""
        return b"".join(self._bytes[id] for id in ids).decode("utf-8", errors="replace")

    def token_bytes(self, id: int) -> bytes:
        """The bytes that a token stands for; b'' for a special one."""
        return self._bytes[id]

    @cached_property
    def byte_lengths(self) -> NDArray[np.int32]:
        """int32 [vocab]: how many bytes of text each token stands for."""
        return np.array([len(bytes_) for bytes_ in self._bytes], dtype=np.int32)

    def special(self, name: str) -> int:
        """The id of a special token such as `<|im_start|>`. Raises ModelDamaged if this vocabulary has none of that name."""
        if name not in self.specials:
            known = sorted(self.specials, key=lambda known: self.specials[known])
            more = f" and {len(known) - NAMES_SHOWN:,} more" if len(known) > NAMES_SHOWN else ""
            raise ModelDamaged(
                f"This model has no token {name}; it has {', '.join(known[:NAMES_SHOWN])}{more}. Use a model with that chat format."
            )
        return self.specials[name]


def gguf_in(folder: Path) -> Path:
    """The folder's GGUF file, as engine.loading.checkpoint finds it: model.gguf, or the only one."""
    found = sorted(folder.glob("*.gguf"))
    return found[0] if len(found) == 1 else folder / "model.gguf"


def slices(text: str) -> Iterator[str]:
    """Pieces of at most SLICE_CHARACTERS, cut where no token can span if there is such a place in a piece's second half."""
    start = 0
    while len(text) - start > SLICE_CHARACTERS:
        window = text[start : start + SLICE_CHARACTERS]
        cuts = CUT.finditer(window, SLICE_CHARACTERS // 2)
        end = start + max((cut.start() for cut in cuts), default=SLICE_CHARACTERS)
        yield text[start:end]
        start = end
    yield text[start:]


def token_bytes_table(bpe: tokenizers.Tokenizer) -> list[bytes]:
    """Each token's bytes by id, b'' for a special one and for an id that is not used.

    Byte-level vocabularies write byte b as one visible character; this turns them back. Added tokens are written as they are.
    """
    added, ids = bpe.get_added_tokens_decoder(), bpe.get_vocab(with_added_tokens=True)
    table = [b""] * (max(ids.values(), default=-1) + 1)
    alphabet = byte_alphabet()
    spelled = {token: id for token, id in ids.items() if id not in added}
    strange = set("".join(spelled)) - set(alphabet)
    if strange:
        raise not_byte_level(f"one that writes tokens with {min(strange)!r}")
    to_latin1 = {ord(character): byte for byte, character in enumerate(alphabet)}
    for token, id in spelled.items():
        table[id] = token.translate(to_latin1).encode("latin-1")
    for id, word in added.items():
        table[id] = b"" if word.special else word.content.encode()
    return table


def unspellable(table: list[bytes]) -> re.Pattern[str]:
    """Matches each character whose UTF-8 has a byte that no token spells, and lone surrogates, which have no UTF-8."""
    missing = set(range(256)) - {bytes_[0] for bytes_ in table if len(bytes_) == 1}
    if missing & set(range(0x80, 0xC0)):
        raise not_byte_level("one without the bytes that every language needs")
    ranges = [(byte, byte) for byte in sorted(missing) if byte < 0x80]
    for first, last, mask, shift in FIRST_OF_LEAD:
        ranges += [
            ((lead & mask) << shift, min(((lead & mask) + 1 << shift) - 1, 0x10FFFF)) for lead in range(first, last + 1) if lead in missing
        ]
    ranges.append((0xD800, 0xDFFF))
    return re.compile("[" + "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges) + "]")


def utf8_length(character: str) -> int:
    return len(character.encode("utf-8", errors="surrogatepass"))
