"""Whether a page's own text says what it shows, and in which language it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.language import language_of
from ingest.legible import is_garbled, letters

CONTRACT = (Path(__file__).resolve().parents[2] / "samples" / "contract.txt").read_text(encoding="utf-8")[:3000]
GERMAN = "Die Parteien sind sich darüber einig, dass der Vertrag mit dem Tag in Kraft tritt und nicht für den Lieferanten gilt."
FRENCH = "Les parties conviennent que le présent contrat est conclu pour trois ans, et qui prend effet dans les trente jours par la date."


def test_it_counts_what_is_written() -> None:
    assert letters(" a b\n\tc ") == 3


@pytest.mark.parametrize(
    "text", [CONTRACT, CONTRACT.upper(), GERMAN, "Договор " * 40, "契約の条項" * 40, "1,204 3,301 17.5 % " * 40, "", "x\n"]
)
def test_it_takes_what_people_write_as_it_is(text: str) -> None:
    assert not is_garbled(text)


def test_it_knows_letters_of_a_font_without_a_table() -> None:
    """Each code moved by 29, as a font's numbers of its glyphs often are."""
    assert is_garbled("".join(chr(ord(letter) + 29) if letter.isascii() and letter.isalpha() else letter for letter in CONTRACT))


@pytest.mark.parametrize("character", ["\ufffd", "\ue001", "\x07", "\U000e1000"])
def test_it_knows_characters_that_mean_nothing(character: str) -> None:
    assert is_garbled(f"The fee is {character * 4} a month")
    assert not is_garbled(CONTRACT + character)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (CONTRACT, "en"),
        (GERMAN, "de"),
        (FRENCH, "fr"),
        ("供应商应当在三十日内交付货物", "zh"),
        ("供給者は三十日以内に商品を引き渡すものとする", "ja"),
        ("공급자는 삼십일 이내에 물품을 인도한다", "ko"),
        ("EUR 40 Invoice", ""),
        ("Поставщик обязан поставить товар", ""),
        ("1 2 3", ""),
    ],
)
def test_it_names_the_language_where_it_is_sure(text: str, language: str) -> None:
    assert language_of(text) == language
