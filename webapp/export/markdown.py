"""A paper as Markdown that reads the same in any viewer, whatever the documents say. Quotes stand verbatim, in fences they cannot end."""

from __future__ import annotations

from collections.abc import Iterable

from webapp.export.blocks import Block, Facts, Figure, Grid, Heading, Plain, Quoted, Said
from webapp.export.inert import escaped, fenced


def markdown(blocks: Iterable[Block]) -> str:
    return "\n\n".join(_written(block) for block in blocks if not isinstance(block, Figure)) + "\n"


def _written(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {escaped(text)}"
        case Said(text):
            return "\n".join(f"> {escaped(line)}" for line in text.splitlines())
        case Plain(text):
            return escaped(text)
        case Quoted(number, source, place, quote):
            return f"{number}\\. {escaped(source)}, {escaped(place)} ({block.checked})\n\n{fenced(quote)}"
        case Grid(head, rows):
            lines = [head, ["---"] * len(head), *rows]
            return "\n".join("| " + " | ".join(_cell(cell, line == 1) for cell in cells) + " |" for line, cells in enumerate(lines))
        case Facts(pairs):
            return "\n".join(f"- {escaped(name)}: {escaped(value)}" for name, value in pairs)
        case _:
            raise TypeError(f"no Markdown of {block!r}")


def _cell(text: str, is_rule: bool) -> str:
    return text if is_rule else escaped(text)
