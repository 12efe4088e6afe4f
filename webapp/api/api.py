"""REST API v1: routes to the same services that the pages use, described at openapi.json and on the page docs; docs/api.md has examples."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, URLResolver, path, re_path
from django.views.decorators.csrf import csrf_exempt

from webapp.api import cells, collections, conversations, documents, exports, jobs, links, members, questions, sweeps, uploads
from webapp.api.auth import TokenAuth
from webapp.api.description import DescribedApi, docs_page, openapi_json
from webapp.api.errors import errors_register
from webapp.api.idempotency import idempotent
from webapp.api.limits import CallThrottle

api = DescribedApi(
    title="Longread",
    version="1",
    description="Ask questions of millions of tokens and get the quote.",
    auth=TokenAuth(),
    throttle=CallThrottle(),
    openapi_url=None,
    docs_url=None,
    urls_namespace="api",
)
api.add_decorator(idempotent(api), mode="view")
api.add_router("/collections", collections.router)
api.add_router("/collections", members.router)
api.add_router("/documents", documents.router)
api.add_router("/uploads", uploads.router)
api.add_router("/jobs", jobs.router)
api.add_router("/questions", questions.router)
api.add_router("/conversations", conversations.router)
api.add_router("", links.router)
api.add_router("/sweeps", sweeps.router)
api.add_router("/cells", cells.router)
api.add_router("/ready-lists", cells.ready)
api.add_router("/exports", exports.router)
errors_register(api)


@csrf_exempt
def nothing(_request: HttpRequest, **_: str) -> HttpResponse:
    """What no route of the API is."""
    return JsonResponse({"error": "There is nothing at this address. /api/v1/docs lists what there is."}, status=404)


def in_one_form(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The router's own refusal of a method has another form than every other error."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        refusal = JsonResponse({"error": f"This address takes {response['Allow']}."}, status=405)
        refusal["Allow"] = response["Allow"]
        return refusal

    return answered


def urlpatterns_of_api() -> list[URLPattern | URLResolver]:
    """Everything below /api/v1/, what is not there too."""
    patterns = api.urls[0]
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            pattern.callback = in_one_form(pattern.callback)
    own = [path("openapi.json", openapi_json(api), name="api-openapi"), path("docs", docs_page(api), name="api-docs")]
    return [*own, *patterns[:-1], re_path(r"^(?P<rest>.*)$", nothing)]
