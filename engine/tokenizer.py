"""Text <-> token ids, exactly: the tokens' bytes, put together, are the text's UTF-8.

Byte-level BPE without normaliser or prefix space. Special tokens never come out of text: "<|im_end|>" in a document is seven
ordinary tokens, for otherwise a document could end its own turn and give orders. They are had by name only, through `special`.
Knows no prompt and no model. Imports no torch.
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
from engine.loading.files import keep_beside
from engine.loading.gguf_tokenizer import tokenizer_json
from engine.prompt import TokenArray

SLICE_CHARACTERS = 100_000

# What the vocabulary cannot spell (a few control characters, unassigned planes, lone surrogates) is read as a stand-in of as many bytes.
STAND_IN = {1: "?", 2: "¿", 3: "\N{REPLACEMENT CHARACTER}", 4: "\U0001f7e6"}
FIRST_OF_LEAD = [(0xC2, 0xDF, 0x1F, 6), (0xE0, 0xEF, 0x0F, 12), (0xF0, 0xF4, 0x07, 18)]


class Tokenizer:
    """One model's vocabulary. Safe to share between threads."""

    def __init__(self, serialised: str) -> None:
        self._bpe = tokenizers.Tokenizer.from_str(serialised)
        self._bpe.encode_special_tokens = True  # specials in text are text
        self._specials = {token.content: id for id, token in self._bpe.get_added_tokens_decoder().items()}
        self._bytes = token_bytes_table(self._bpe, set(self._specials.values()))
        self._unspellable = unspellable(self._bytes)
        self.fingerprint = hashlib.blake2b(serialised.encode(), digest_size=16).hexdigest()

    @classmethod
    def open(cls, folder: Path) -> Tokenizer:
        """The tokenizer of the model in `folder`: its `tokenizer.json`, made from `model.gguf` the first time.

        Raises ModelMissing or ModelDamaged.
        """
        cached, source = folder / "tokenizer.json", folder / "model.gguf"
        if cached.is_file() and (not source.is_file() or cached.stat().st_mtime_ns >= source.stat().st_mtime_ns):
            serialised = cached.read_text(encoding="utf-8")
        elif source.is_file():
            serialised = tokenizer_json(source)
            keep_beside(cached, lambda path: path.write_text(serialised, encoding="utf-8"))
        else:
            raise ModelMissing(
                f"{folder} holds neither tokenizer.json nor model.gguf. Run `python -m engine.loading.bundled`, or set LONGREAD_MODEL."
            )
        try:
            return cls(serialised)
        except ModelDamaged:
            raise
        except Exception as error:  # the library raises bare Exception on JSON that it cannot use
            raise ModelDamaged(f"{cached} cannot be read ({error}). Delete it; it is made again from model.gguf.") from error

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
        if name not in self._specials:
            raise ModelDamaged(
                f"This model has no token {name}; it has {', '.join(sorted(self._specials))}. Use a model with that chat format."
            )
        return self._specials[name]


def slices(text: str) -> Iterator[str]:
    """Pieces of at most SLICE_CHARACTERS, cut where no token can span: before a blank that follows a visible character."""
    start = 0
    while len(text) - start > SLICE_CHARACTERS:
        window = text[start : start + SLICE_CHARACTERS]
        cuts = re.finditer(r"(?<=\S)[ \n](?=\S)", window[SLICE_CHARACTERS // 2 :])
        end = start + max((SLICE_CHARACTERS // 2 + cut.start() for cut in cuts), default=SLICE_CHARACTERS)
        yield text[start:end]
        start = end
    yield text[start:]


def token_bytes_table(bpe: tokenizers.Tokenizer, specials: set[int]) -> list[bytes]:
    """Each token's bytes by id. Byte-level vocabularies write byte b as one visible character; this turns them back."""
    of_character = {character: byte for byte, character in enumerate(byte_alphabet())}
    table = [b""] * bpe.get_vocab_size(with_added_tokens=True)
    for token, id in bpe.get_vocab(with_added_tokens=True).items():
        if id not in specials:
            table[id] = bytes(of_character[character] for character in token)
    return table


def byte_alphabet() -> list[str]:
    """The character that stands for each byte: itself where it is visible Latin-1, else the next one from U+0100 on."""
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte if byte in visible else next(spare)) for byte in range(256)]


def unspellable(table: list[bytes]) -> re.Pattern[str]:
    """Matches each character whose UTF-8 has a byte that no token spells, and lone surrogates, which have no UTF-8."""
    missing = set(range(256)) - {bytes_[0] for bytes_ in table if len(bytes_) == 1}
    if missing & set(range(0x80, 0xC0)):
        raise ModelDamaged("This vocabulary is not byte-level: it lacks bytes that every language needs. Use another model.")
    ranges = [(byte, byte) for byte in sorted(missing) if byte < 0x80]
    for first, last, mask, shift in FIRST_OF_LEAD:
        ranges += [
            ((lead & mask) << shift, min(((lead & mask) + 1 << shift) - 1, 0x10FFFF)) for lead in range(first, last + 1) if lead in missing
        ]
    ranges.append((0xD800, 0xDFFF))
    return re.compile("[" + "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges) + "]")


def utf8_length(character: str) -> int:
    return len(character.encode("utf-8", errors="surrogatepass"))
