"""Text that means nothing to the program that opens it: no formula, no markup, no character that its format cannot hold."""

from __future__ import annotations

import re

# Spreadsheets run a cell that begins like a formula. What documents and people wrote is theirs, so such a cell gets an apostrophe in front,
# which spreadsheets take for "this is text".
FORMULA = re.compile(r"^[\s\x00]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&=:@])")
NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}


def harmless(text: str) -> str:
    """Text that no spreadsheet runs."""
    text = text.replace("\x00", "")
    return f"'{text}" if FORMULA.match(text) else text


def for_xml(text: str) -> str:
    """Without what XML cannot hold: control characters and halves of surrogate pairs."""
    return NOT_XML.sub("", text)


def escaped(text: str) -> str:
    """Text on one line that means nothing to Markdown or HTML."""
    return MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))


def fenced(text: str) -> str:
    """Text as a code block, byte for byte. Its fence is longer than any run of backticks inside, so that nothing in it can end it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def for_latex(text: str) -> str:
    """Text on one line that TeX prints as it stands."""
    return "".join(LATEX.get(character, character) for character in " ".join(for_xml(text).split()))
