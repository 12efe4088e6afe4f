"""tokenizer.json of other models: Llama 3's and SmolLM3's kind beside tiktoken and transformers, what is refused, and where text is cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Bpe
from transformers import PreTrainedTokenizerFast

from engine.errors import ModelDamaged
from engine.loading.byte_level import gpt2_split, smollm_split
from engine.tokenizer import CUT, SLICE_CHARACTERS, Tokenizer, slices
from tests.engine.vocabularies import GPT2, LLAMA3, O200K, TRICKY, chatml_json, corpus, llama3_json, reference, trained, trained_ranks

WORDS = ("<think>", "</think>", "<tool call>", "名前")
PIECES = st.sampled_from(
    [
        *"aAéßｱ東のไ9٣²½ \n\t.,;:!?'_-/。，、；()\"😀\u0301\u00a0\u3000\u1680\x1c\x85",
        "'s",
        "it's",
        "DON'T",
        "\r\n",
        "  ",
        "\n\n",
        " '",
        *WORDS[:2],
    ]
)


def smollm_json() -> str:
    return _with_split(smollm_split())


def _with_split(split: pre_tokenizers.PreTokenizer) -> str:
    bpe = Bpe.from_str(trained(GPT2).to_str())
    bpe.pre_tokenizer = split
    return str(bpe.to_str())


KINDS: dict[str, Callable[[], str]] = {
    "llama3": lambda: llama3_json(WORDS),
    "smollm3": lambda: chatml_json(WORDS),
    "o200k": lambda: trained(O200K).to_str(),
    "gpt2": lambda: _with_split(gpt2_split()),
    "smollm": smollm_json,
}


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return Tokenizer(KINDS[request.param]())


@pytest.fixture(scope="module")
def llama3() -> Tokenizer:
    return Tokenizer(llama3_json())


@settings(max_examples=200)
@given(text=st.lists(PIECES, max_size=60).map("".join) | st.text(st.characters(codec="utf-8"), max_size=40))
def test_it_spells_every_text_exactly(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text).tolist()
    assert b"".join(tokenizer.token_bytes(id) for id in ids) == text.encode()
    assert tokenizer.decode(ids) == text
    assert sum(tokenizer.byte_lengths[ids]) == len(text.encode())
    assert not set(ids) & set(tokenizer.specials.values())


@settings(max_examples=400)
@given(text=st.lists(PIECES, max_size=60).map("".join))
def test_it_cuts_only_where_a_token_ends(tokenizer: Tokenizer, text: str) -> None:
    whole = tokenizer.encode(text).tolist()
    for cut in CUT.finditer(text):
        pieces = text[: cut.start()], text[cut.start() :]
        assert [id for piece in pieces for id in tokenizer.encode(piece).tolist()] == whole, pieces


def test_it_cuts_after_every_letter_and_digit_of_unicode(tokenizer: Tokenizer) -> None:
    """The library's classes of characters are newer than Python's; a letter that is none to the library could join with what follows."""
    but_ideographs = [*range(0x80, 0x3400), *range(0xA000, 0xAC00), *range(0xF900, 0x20000)]
    letters = [chr(code) for code in but_ideographs if chr(code).isalnum()]
    for mark in ("\n", "。"):
        pieces = [f"{mark} {letter}" for letter in letters]
        assert tokenizer.encode("".join(pieces)).tolist() == [id for piece in pieces for id in tokenizer.encode(piece).tolist()]


def test_it_cuts_huge_text_without_changing_a_token(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(corpus()) * 6
    cut, pieces = tokenizer.encode(text).tolist(), list(slices(text))
    assert len(pieces) > 2
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= SLICE_CHARACTERS
    monkeypatch.setattr("engine.tokenizer.SLICE_CHARACTERS", len(text))
    assert cut == tokenizer.encode(text).tolist()


@pytest.mark.parametrize("text", TRICKY)
def test_it_agrees_with_tiktoken_on_llama_3s_pattern(llama3: Tokenizer, text: str) -> None:
    assert llama3.encode(text).tolist() == reference(trained_ranks(LLAMA3), LLAMA3).encode_ordinary(text)


def test_it_adds_no_begin_of_text(llama3: Tokenizer) -> None:
    theirs: Any = PreTrainedTokenizerFast(tokenizer_object=Bpe.from_str(llama3_json()))
    begin = llama3.special("<|begin_of_text|>")
    for text in TRICKY:
        assert [begin, *llama3.encode(text).tolist()] == theirs.encode(text, split_special_tokens=True)


def test_it_takes_added_words_as_text() -> None:
    ours, theirs = Tokenizer(llama3_json(WORDS)), Bpe.from_str(llama3_json(WORDS))
    text = "a<think>b c</think> <tool call>\n名前 <think"
    ids = ours.encode(text).tolist()
    assert ids == theirs.encode(text, add_special_tokens=False).ids
    assert [theirs.token_to_id(word) for word in WORDS] == [id for id in ids if id >= theirs.token_to_id("<think>")]
    assert [ours.token_bytes(theirs.token_to_id(word)) for word in WORDS] == [word.encode() for word in WORDS]
    assert not set(WORDS) & set(ours.specials)
    assert ours.decode(ids) == text


def test_it_lets_no_added_word_swallow_blanks() -> None:
    bpe = Bpe.from_str(llama3_json())
    bpe.add_tokens([AddedToken("<sep>", lstrip=True, rstrip=True, normalized=False)])
    text, ours = "a  <sep> \n b", Tokenizer(bpe.to_str())
    assert ours.decode(ours.encode(text)) == text
    assert bpe.token_to_id("<sep>") in ours.encode(text)


def test_it_keeps_the_texts_own_code_points() -> None:
    bpe = Bpe.from_str(llama3_json())
    bpe.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    text = "E\N{COMBINING ACUTE ACCENT}té \N{LATIN SMALL LIGATURE FI}n ² Ω"
    ours = Tokenizer(bpe.to_str())
    assert ours.decode(ours.encode(text)) == text


def test_it_neither_truncates_nor_pads(llama3: Tokenizer) -> None:
    bpe = Bpe.from_str(llama3_json())
    bpe.enable_truncation(8)
    bpe.enable_padding(length=64, pad_id=5, pad_token="x")
    text = "\n".join(TRICKY)
    assert Tokenizer(bpe.to_str()).encode(text).tolist() == llama3.encode(text).tolist()


def test_it_bears_ids_that_are_not_used() -> None:
    fields = json.loads(llama3_json())
    fields["model"]["vocab"]["ĠThe"] = 3500
    ours = Tokenizer(json.dumps(fields))
    assert (ours.encode(" The").tolist(), len(ours)) == ([3500], 3501)
    assert (ours.token_bytes(3499), ours.byte_lengths[3499]) == (b"", 0)


def _metaspace() -> Bpe:
    bpe = Bpe(models.BPE(vocab={"▁": 0, "a": 1, "▁a": 2}, merges=[("▁", "a")]))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace()
    return bpe


def _byte_fallback() -> Bpe:
    vocabulary = {"<unk>": 0} | {f"<0x{byte:02X}>": byte + 1 for byte in range(256)}
    return Bpe(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))


def _prefix_space() -> Bpe:
    bpe = Bpe.from_str(trained(GPT2).to_str())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return bpe


def _blanks_dropped() -> Bpe:
    bpe = Bpe.from_str(trained(GPT2).to_str())
    bpe.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return bpe


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: Bpe(models.Unigram([("<unk>", 0.0), ("▁a", -1.0)], unk_id=0)), "Unigram"),
        (lambda: Bpe(models.WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]")), "WordPiece"),
        (lambda: Bpe(models.WordLevel({"a": 0}, unk_token="a")), "WordLevel"),
        (_byte_fallback, "SentencePiece BPE with byte fallback"),
        (_metaspace, "writes tokens with '▁'"),
        (_prefix_space, "adds or drops blanks"),
        (_blanks_dropped, "adds or drops blanks"),
        (lambda: Bpe(models.BPE(vocab={"a": 0}, merges=[])), "without the bytes that every language needs"),
        (lambda: Bpe(models.BPE()), "without the bytes"),
    ],
)
def test_it_refuses_vocabularies_that_are_not_byte_level(tmp_path: Path, make: Callable[[], Bpe], kind: str) -> None:
    (tmp_path / "tokenizer.json").write_text(make().to_str(), encoding="utf-8")
    with pytest.raises(ModelDamaged, match=rf"not byte-level BPE but .*{kind}.* Use a model with a byte-level vocabulary"):
        Tokenizer.open(tmp_path)


def test_it_refuses_a_vocabulary_in_which_text_is_a_special_token() -> None:
    fields = json.loads(trained(LLAMA3).to_str())
    fields["model"]["vocab"]["###"] = 3000
    fields["added_tokens"] = [json.loads(llama3_json())["added_tokens"][0] | {"id": 3000, "content": "###"}]
    with pytest.raises(ModelDamaged, match="plain text becomes the special token ###"):
        Tokenizer(json.dumps(fields))
