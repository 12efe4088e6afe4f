"""A page, or the one part of it that htmx asked for, from the same view and context. Knows no page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails


class HtmxHttpRequest(HttpRequest):
    htmx: HtmxDetails


def wants(request: HtmxHttpRequest, fragment: str) -> bool:
    """Whether htmx asks for the fragment whose root has this id."""
    return bool(request.htmx) and not request.htmx.history_restore_request and request.htmx.target == fragment


def render_page(
    request: HtmxHttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    fragments: tuple[str, ...] = (),
    status: int = 200,
) -> HttpResponse:
    """`template` whole, or its folder's `_x.html` where htmx asks for the element `x` and `x` is one of `fragments`.

    A fragment of another folder is named with it: "library/source". Pages are their reader's own: no cache keeps them.
    """
    for fragment in fragments:
        folder, _, name = fragment.rpartition("/")
        if wants(request, name):
            template = f"{folder or template.rpartition('/')[0]}/_{name}.html"
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    response["Cache-Control"] = "private, no-store"
    return response
