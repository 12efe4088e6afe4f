"""Text in colours with its mark, as HTML without stray spaces between the pieces; and the letters over a page's image.

Written here and not in a template because a page has hundreds of them: a template takes five times as long to write them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

LETTERS = '<text x="{}" y="{}" font-size="{}" textLength="{}" lengthAdjust="spacingAndGlyphs">{}</text>\n'


class Piece(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def css(self) -> str: ...
    @property
    def marked(self) -> bool: ...


class Letters(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def left(self) -> float: ...
    @property
    def base(self) -> float: ...
    @property
    def width(self) -> float: ...
    @property
    def size(self) -> float: ...


@register.filter
def html(pieces: Iterable[Piece]) -> SafeString:
    """Every text is escaped."""
    return format_html_join("", "{}", ((_one(piece),) for piece in pieces))


def _one(piece: Piece) -> SafeString | str:
    inner = format_html('<span class="{}">{}</span>', piece.css, piece.text) if piece.css else piece.text
    return format_html("<mark>{}</mark>", inner) if piece.marked else inner


@register.filter
def svg(lines: Iterable[Letters]) -> SafeString:
    """A line of a page as SVG that can be selected. Every text is escaped."""
    return format_html_join("", LETTERS, ((line.left, line.base, line.size, line.width, line.text) for line in lines))
