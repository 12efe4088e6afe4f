"""Llama 4's tokenizer.model beside tiktoken, which reads the same ranks with the published pattern."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ModelDamaged
from engine.loading.tiktoken_tokenizer import special_names
from engine.tokenizer import SLICE_CHARACTERS, Tokenizer
from tests.engine.vocabularies import LLAMA3, O200K, TRICKY, corpus, reference, spell_out, trained, trained_ranks, write_tiktoken

# From the published table of special tokens, by place after the last rank.
PUBLISHED = {
    "<|begin_of_text|>": 0,
    "<|end_of_text|>": 1,
    "<|fim_prefix|>": 2,
    "<|fim_middle|>": 3,
    "<|fim_suffix|>": 4,
    "<|header_start|>": 5,
    "<|header_end|>": 6,
    "<|eom|>": 7,
    "<|eot|>": 8,
    "<|step|>": 9,
    "<|python_start|>": 16,
    "<|python_end|>": 17,
    "<|finetune_right_pad|>": 18,
    "<|image_start|>": 80,
    "<|image_end|>": 81,
    "<|tile_x_separator|>": 84,
    "<|tile_y_separator|>": 85,
    "<|image|>": 90,
    "<|patch|>": 92,
    "<|vision_reserved_special_token_1047|>": 1133,
    "<|reasoning_thinking_start|>": 1142,
    "<|reasoning_thinking_end|>": 1143,
}
PIECES = st.sampled_from(
    [
        *"aAeEzZ1290 \t\n\r/!?.,-_'\"(){}é\u0301ßŁłǅʰ東。のไ😀\u200d\u00a0\u3000½²",
        "'s",
        "'LL",
        "'ſ",
        "\r\n",
        "   ",
        "the",
        "The",
        "://",
        "</",
    ]
)
RUNS = ["a", " ", "\n", "A", "Aa", "!", "1", "é", "東", "中。", "\r\n", "'s", "/", "e\u0301", " \n", "\t", "ab ", "x1", "\u3000"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiktoken(tmp_path_factory.mktemp("llama4") / "tokenizer.model", trained_ranks()).parent


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.open(folder)


@pytest.fixture(scope="module")
def theirs() -> tiktoken.Encoding:
    return reference(trained_ranks())


@pytest.mark.parametrize("text", TRICKY)
def test_it_agrees_with_tiktoken(tokenizer: Tokenizer, theirs: tiktoken.Encoding, text: str) -> None:
    assert tokenizer.encode(text).tolist() == theirs.encode_ordinary(text)


def test_it_agrees_with_tiktoken_on_whole_files(tokenizer: Tokenizer, theirs: tiktoken.Encoding) -> None:
    text = "\n".join(corpus())
    ids = tokenizer.encode(text).tolist()
    assert ids == theirs.encode_ordinary(text)
    assert len(set(ids)) > 2000  # most of the vocabulary is in use


@settings(max_examples=1000)
@given(text=st.lists(PIECES, max_size=60).map("".join) | st.text(st.characters(codec="utf-8"), max_size=40))
def test_it_agrees_with_tiktoken_on_any_text(tokenizer: Tokenizer, theirs: tiktoken.Encoding, text: str) -> None:
    ids = tokenizer.encode(text).tolist()
    assert ids == theirs.encode_ordinary(text)
    assert b"".join(tokenizer.token_bytes(id) for id in ids) == text.encode()


@settings(max_examples=60)
@given(
    words=st.lists(st.text("abc", min_size=2, max_size=7), unique=True, max_size=40),
    texts=st.lists(st.text("abc", max_size=30), min_size=10, max_size=10),
)
def test_it_merges_as_tiktoken_does_whatever_the_ranks(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], texts: list[str]
) -> None:
    """Ranks that no training gives: a long token before its parts, tokens that no merging reaches."""
    ranks = {token: rank for rank, token in enumerate([*(word.encode() for word in words), *(bytes([byte]) for byte in range(256))])}
    ours = Tokenizer.open(write_tiktoken(tmp_path_factory.mktemp("ranks") / "tokenizer.model", ranks).parent)
    encoding = reference(ranks)
    for text in [*texts, *words, "".join(words)]:
        assert ours.encode(text).tolist() == encoding.encode_ordinary(text)


@pytest.mark.parametrize("unit", RUNS)
def test_it_agrees_with_tiktoken_on_a_long_run(tokenizer: Tokenizer, theirs: tiktoken.Encoding, unit: str) -> None:
    text = unit * (SLICE_CHARACTERS // len(unit))
    assert tokenizer.encode(text).tolist() == theirs.encode_ordinary(text)


@pytest.mark.parametrize("unit", ["a", " ", "A", "\n", "é!"])
def test_it_takes_time_in_step_with_the_length_of_a_run(tokenizer: Tokenizer, unit: str) -> None:
    def seconds(characters: int) -> float:
        started = time.perf_counter()
        tokenizer.encode(unit * (characters // len(unit)))
        return time.perf_counter() - started

    short = min(seconds(SLICE_CHARACTERS // 8) for _ in range(3))
    assert min(seconds(SLICE_CHARACTERS) for _ in range(3)) < 8 * 4 * max(short, 0.002)  # quadratic would be 64 times


def test_it_has_the_published_special_tokens(tokenizer: Tokenizer) -> None:
    ranks = len(trained_ranks())
    assert len(tokenizer) == ranks + 2048
    assert {name: tokenizer.special(name) - ranks for name in PUBLISHED} == PUBLISHED
    assert len(set(special_names())) == 2048
    assert sorted(tokenizer.specials.values()) == list(range(ranks, ranks + 2048))


def test_it_never_makes_a_special_token_from_text(tokenizer: Tokenizer) -> None:
    text = "".join(special_names()) + "\n".join(special_names())
    assert tokenizer.encode(text).max() < len(trained_ranks())
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_it_keeps_what_it_made_beside_the_file(folder: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.tokenizer.tiktoken_tokenizer_json", lambda path: pytest.fail("made twice"))
    again = Tokenizer.open(folder)
    assert again.fingerprint == tokenizer.fingerprint
    assert again.encode(TRICKY[0]).tolist() == tokenizer.encode(TRICKY[0]).tolist()


def test_it_takes_lines_in_any_order(tmp_path: Path, tokenizer: Tokenizer, folder: Path) -> None:
    lines = (folder / "tokenizer.model").read_bytes().splitlines(keepends=True)
    (tmp_path / "tokenizer.model").write_bytes(b"".join(reversed(lines)))
    assert Tokenizer.open(tmp_path).fingerprint == tokenizer.fingerprint


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda lines: [*lines[:400], b"!!! 400\n", *lines[401:]], "line 401 is not a base64 token"),
        (lambda lines: [*lines[:-1], lines[-1][:3]], "line 3000 is not a base64 token"),
        (lambda lines: [b"\x0a\x0e\x0a\x05<unk>\x15\x00", b"\x18\x02"], "SentencePiece"),
        (lambda lines: [*lines[:400], *lines[401:]], "ranks are not 0, 1, 2"),
        (lambda lines: [*lines, b"YWFhYWFhYWFhYWFhYWI= 7\n"], "ranks are not 0, 1, 2"),
        (lambda lines: [*lines, lines[300].split()[0] + b" 3000\n"], "ranks are not 0, 1, 2"),
        (lambda lines: [*lines, b" 3000\n"], "ranks are not 0, 1, 2"),
        (lambda lines: lines[:200], "no token for 56 of the 256 bytes"),
        (lambda lines: [], "no token for 256 of the 256 bytes"),
    ],
)
def test_it_says_how_a_file_is_damaged(tmp_path: Path, folder: Path, damage: Callable[[list[bytes]], list[bytes]], why: str) -> None:
    lines = (folder / "tokenizer.model").read_bytes().splitlines(keepends=True)
    (tmp_path / "tokenizer.model").write_bytes(b"".join(damage(lines)))
    with pytest.raises(ModelDamaged, match=rf"{why}.*Fetch the file again"):
        Tokenizer.open(tmp_path)
    assert not (tmp_path / "tokenizer.json").exists()


@pytest.mark.parametrize("config", [{"vocab_size": 5048}, {"text_config": {"vocab_size": 5048}}])
def test_it_finds_lost_lines_by_the_models_config(tmp_path: Path, config: dict[str, object]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    path = write_tiktoken(tmp_path / "tokenizer.model", {token: rank for token, rank in trained_ranks().items() if rank < 2500})
    with pytest.raises(ModelDamaged, match=r"makes 4,548 tokens .* config\.json says 5,048"):
        Tokenizer.open(tmp_path)
    write_tiktoken(path, trained_ranks())
    assert len(Tokenizer.open(tmp_path)) == 5048


@pytest.mark.parametrize(("pre", "pattern"), [("llama-bpe", LLAMA3), ("smaug-bpe", LLAMA3), ("llama4", O200K)])
def test_it_reads_the_same_vocabulary_from_a_gguf_file(tmp_path: Path, pre: str, pattern: str) -> None:
    unmerged = b" zqzqzq"  # only as a whole piece
    ranks, alphabet = {**trained_ranks(pattern), unmerged: 3000}, [spell_out(byte) for byte in range(256)]
    tokens = ["".join(alphabet[byte] for byte in token) for token in sorted(ranks, key=lambda token: ranks[token])]
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([*tokens, "<|eot|>", "<a word>"])
    writer.add_token_types([1] * len(tokens) + [3, 4])
    merges = json.loads(trained(pattern).to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    ours, theirs = Tokenizer.open(tmp_path), reference(ranks, pattern)
    assert ours.special("<|eot|>") == len(tokens)
    assert ours.encode("<a word>").tolist() == [len(tokens) + 1]
    assert ours.token_bytes(len(tokens) + 1) == b"<a word>"
    for text in [*TRICKY, "\n".join(corpus()), "a zqzqzq b zqzqzqz"]:
        assert ours.encode(text).tolist() == theirs.encode_ordinary(text)
