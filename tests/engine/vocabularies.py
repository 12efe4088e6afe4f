"""Small vocabularies trained on the project's own texts, as the files in which the great ones come.

The split patterns are written out a second time here, each as one string as published, so that a slip in ours shows.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import tiktoken
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

ROOT = Path(__file__).parents[2]
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

# What no sample holds and a pattern may trip over.
TRICKY = [
    "I'm you're they'll WE'VE it's O'Neill 'tis DON'T rock'n'roll x'\N{LATIN SMALL LETTER LONG S} l'été",
    "1 12 123 1234 12345 1,234,567.89 ١٢٣٤ ²³ Ⅻ ½ 3rd v2.0.1",
    "naïve café Zürich Ελλάδα Москва 東京都は日本の首都。です 한국어 مرحبا שלום नमस्ते ไทย",
    "e\N{COMBINING ACUTE ACCENT}E\N{COMBINING ACUTE ACCENT} \N{COMBINING ACUTE ACCENT}!\N{COMBINING ACUTE ACCENT}\n q\u0323\u0307",
    "smile 😀 family 👨‍👩‍👧 flag 🇨🇭 tone 👍🏽",
    "  two leading, three   inside, trailing  \t\t tab \u00a0\u2003\u3000 wide  ",
    "one\ntwo\r\n\r\n\tthree\n\n\n    four\r five \n six  \n  \n",
    "camelCase HTTPServer XMLHttpRequest snake_case ALLCAPS McDonald iPhone ǅungla ʰa",
    "def f(x: int) -> str:\n    return f'{x:>8}'  # don't\n\n\nif (a&&b) {\n\treturn c/d;//e\n}\n",
    "https://example.org/a/b?c=d#e /usr/bin/ //\n /\n.../\r\n!\n?\r\n-/\n/",
    "“curly” – dash … ellipsis ***bold*** <|eot|> <|im_end|> [INST] ###",
]


@cache
def corpus() -> list[str]:
    """A few hundred kilobytes of English and code, and the tricky texts often enough to be merged."""
    files = sorted([*ROOT.glob("*.md"), *ROOT.glob("samples/*.txt"), *ROOT.glob("samples/*.md"), *ROOT.glob("samples/code/**/*.py")])
    return [file.read_text(encoding="utf-8") for file in files] + TRICKY * 8


@cache
def trained(pattern: str, tokens: int = 3000) -> Tokenizer:
    """Byte-level BPE over `corpus` with that split, without special tokens. Not to be changed: copies come from its JSON."""
    bpe = Tokenizer(models.BPE(ignore_merges=True))
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=tokens, initial_alphabet=alphabet, show_progress=False))
    return bpe


@cache
def trained_ranks(pattern: str = O200K) -> dict[bytes, int]:
    """The same vocabulary in tiktoken's terms."""
    bpe, spell = trained(pattern), decoders.ByteLevel()
    of_character = {spell_out(byte): byte for byte in range(256)}
    assert spell.decode([spell_out(0x41)]) == "A"
    return {bytes(of_character[character] for character in token): id for token, id in bpe.get_vocab().items()}


def spell_out(byte: int) -> str:
    """The visible character of a byte, by GPT-2's rule."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [other for other in range(256) if other not in visible]
    return chr(byte) if byte in visible else chr(256 + hidden.index(byte))


def write_tiktoken(path: Path, ranks: Mapping[bytes, int]) -> Path:
    lines = [b"%s %d\n" % (base64.b64encode(token), rank) for token, rank in sorted(ranks.items(), key=lambda item: item[1])]
    path.write_bytes(b"".join(lines))
    return path


def reference(ranks: Mapping[bytes, int], pattern: str = O200K) -> tiktoken.Encoding:
    """The independent reader of the same ranks."""
    return tiktoken.Encoding("reference", pat_str=pattern, mergeable_ranks=dict(ranks), special_tokens={})


def llama3_json(words: tuple[str, ...] = ()) -> str:
    """A tokenizer.json of the kind that Llama 3 and SmolLM3 have: special marks, a begin-of-text added by the post-processor, and
    `words`, added tokens that are not special."""
    bpe = Tokenizer.from_str(trained(LLAMA3).to_str())
    names = ["begin_of_text", "end_of_text", "start_header_id", "end_header_id", "eom_id", "eot_id"]
    bpe.add_special_tokens([AddedToken(f"<|{name}|>", special=True, normalized=False) for name in names])
    bpe.add_tokens([AddedToken(word, special=False, normalized=False) for word in words])
    begin = ("<|begin_of_text|>", bpe.token_to_id("<|begin_of_text|>"))
    bpe.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing(single=f"{begin[0]} $A", special_tokens=[begin])]
    )
    bpe.decoder = decoders.ByteLevel()
    return str(bpe.to_str())


def chatml_json(words: tuple[str, ...] = ()) -> str:
    """The same with ChatML's marks beside Llama 3's, as SmolLM3 has them."""
    bpe = Tokenizer.from_str(llama3_json(words))
    bpe.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in ("<|im_start|>", "<|im_end|>")])
    return str(bpe.to_str())
