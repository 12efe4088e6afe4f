"""Where a body may end: before a clause, a heading, a function or a method, and after a page before all of them."""

from __future__ import annotations

import pytest

from ingest.model import Kind
from ingest.prompt.boundaries import cut

BEFORE = "The parties agree on what follows here.\n"


def split(text: str, kind: Kind) -> tuple[str, str]:
    """The text at the best boundary in all of it."""
    end = cut(text, kind, 0, len(text))
    return text[:end], text[end:]


@pytest.mark.parametrize(
    "clause",
    [
        "7.2 Term. This agreement lasts",
        "12. Governing Law. The laws of",
        "7 Notices to a party",
        "Section 9. Notices go to",
        "ARTICLE IV Payment is",
        "Exhibit B: Prices of",
        "LIMITATION OF LIABILITY\nNo party",
        "   3.1 Indented Clause of",
    ],
)
@pytest.mark.parametrize("kind", [Kind.PAGED, Kind.TEXT])
def test_it_ends_a_body_before_a_clause_and_not_at_the_sentence_or_paragraph_around_it(clause: str, kind: Kind) -> None:
    text = BEFORE + "\n" + BEFORE + clause + " many words. More of them stand on\nthe lines below"
    assert split(text, kind) == (BEFORE + "\n" + BEFORE, text[len(BEFORE) * 2 + 1 :])


@pytest.mark.parametrize("kind", [Kind.PAGED, Kind.TEXT])
@pytest.mark.parametrize(
    "headed",
    [
        "ARTICLE 8 FINANCIAL TERMS\n\n8.1 Upfront Payment. Following execution of\nthis",
        "ARTICLE XIII\nCONFIDENTIALITY\n\nSection 13.1 Secrets. What is said\nhere",
        "\nDefinitions\n\nIn this agreement words mean\nmuch",
    ],
)
def test_a_heading_stays_with_what_it_heads(headed: str, kind: Kind) -> None:
    said, blank = headed.lstrip("\n"), headed[: len(headed) - len(headed.lstrip("\n"))]
    assert split(BEFORE + headed, kind) == (BEFORE + blank, said)


@pytest.mark.parametrize("line", ["8.1 Fees are paid.", "8.1 Fees are:", "8.1 Fees " + "of many kinds " * 8])
def test_a_clause_of_one_sentence_is_no_heading(line: str) -> None:
    assert split(f"{BEFORE}{line}\n8.2 Costs are borne", Kind.PAGED)[1] == "8.2 Costs are borne"


@pytest.mark.parametrize(
    "item", ["(a) the first of", "(iv) the fourth of", "(12) the twelfth of", "7.2.1 what a clause of", "7.2.1.4. a part of"]
)
def test_it_ends_a_body_before_an_item_where_no_clause_is_near(item: str) -> None:
    text = BEFORE + item + " several. Another sentence stands\nhere"
    assert split(text, Kind.PAGED)[1].startswith(item)


@pytest.mark.parametrize(
    "line", ["30 days after it is", "2019, when it began", "(see above) as it is", "(a)fter", "ACME\nshall", "1,000 units of"]
)
def test_it_takes_no_line_of_prose_for_a_clause(line: str) -> None:
    assert split(f"{BEFORE}\nsome words {BEFORE}{line} going on", Kind.PAGED) == (f"{BEFORE}\n", f"some words {BEFORE}{line} going on")


def test_it_ends_a_body_at_a_page_before_a_clause() -> None:
    assert split(f"{BEFORE}\f{BEFORE}7.2 Term of this", Kind.PAGED) == (f"{BEFORE}\f", f"{BEFORE}7.2 Term of this")


METHODS = {
    "python": "class A:\n    def one(self):\n        x = 1\n\n        y = 2\n\n",
    "rust": "impl A {\n    fn one(&self) {\n        let x = 1;\n\n        x\n    }\n\n",
    "java": "class A {\n    int one() {\n        int x = 1;\n\n        return x;\n    }\n\n",
}
NEXT = {
    "python": "    @property\n    def two(self):\n        z = 1\n\n        return z\n",
    "rust": "    pub async fn two(&self) {\n        let z = 1;\n\n        z\n    }\n",
    "java": "    public static class Two {\n        int z;\n\n        int y;\n    }\n",
}


@pytest.mark.parametrize("language", METHODS)
def test_it_ends_code_before_a_method_and_not_at_a_blank_line_in_one(language: str) -> None:
    assert split(METHODS[language] + NEXT[language], Kind.CODE) == (METHODS[language], NEXT[language])


def test_it_ends_code_at_the_margin_before_a_method() -> None:
    code = "x = 1\n\n\nclass A:\n    def one(self):\n        x = 1\n\n    def two(self):\n        y = 2\n"
    assert split(code, Kind.CODE)[1].startswith("class A")
