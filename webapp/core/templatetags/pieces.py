"""Text in colours with its mark, as HTML without stray spaces between the pieces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


class Piece(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def css(self) -> str: ...
    @property
    def marked(self) -> bool: ...


@register.filter
def html(pieces: Iterable[Piece]) -> SafeString:
    """Every text is escaped."""
    return format_html_join("", "{}", ((_one(piece),) for piece in pieces))


def _one(piece: Piece) -> SafeString | str:
    inner = format_html('<span class="{}">{}</span>', piece.css, piece.text) if piece.css else piece.text
    return format_html("<mark>{}</mark>", inner) if piece.marked else inner
