"""The API in its own words: its OpenAPI 3.1 description with every status that an operation may answer, and a page for people.

The page is made of that description on the server: it loads no script and nothing from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET
from ninja import NinjaAPI

from webapp.api.schemas.progress import ErrorOut
from webapp.core.rendering import HtmxHttpRequest, render_page

ROOT = "/api/v1/"
ERRORS = {
    400: "The request cannot be read.",
    401: "There is no valid token.",
    403: "The token may only read, or its owner may not do this.",
    404: "There is no such thing, or it is not shared with the caller.",
    409: "It cannot be done as things are now.",
    422: "A field is wrong.",
    429: "Too many calls; Retry-After says how many seconds to wait.",
}
CHANGING = ("post", "put", "patch", "delete")
IDEMPOTENCY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    "description": "A word of your own: the same request with the same key is done once, and answered the same for a day.",
}
EVENT = {
    "in": "header",
    "name": "Last-Event-ID",
    "required": False,
    "schema": {"type": "string", "pattern": r"^\d+-\d+$"},
    "description": "The id of the last event that was seen.",
}


class DescribedApi(NinjaAPI):
    """Describes its errors too, which have one form everywhere."""

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None) -> Any:
        schema = super().get_openapi_schema(path_prefix=path_prefix or ROOT, path_params=path_params)
        schema["components"]["schemas"]["ErrorOut"] = ErrorOut.model_json_schema()
        for path, methods in schema["paths"].items():
            for method, operation in methods.items():
                _complete(path, method, operation)
        return schema


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    for status, description in ERRORS.items():
        if status != 409 or method in CHANGING:
            content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorOut"}}}
            operation["responses"].setdefault(status, {"description": description, "content": content})
    if method == "post":
        operation.setdefault("parameters", []).append(IDEMPOTENCY)
    if path.endswith("/stream"):
        operation.setdefault("parameters", []).append(EVENT)


@dataclass(frozen=True, slots=True)
class Field:
    """`where`: path, query, header or body."""

    name: str
    where: str
    type: str
    required: bool
    description: str
    example: str = "…"


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    description: str
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    method: str
    path: str
    description: str
    fields: list[Field]
    answers: list[Answer]
    curl: str


def openapi_json(api: NinjaAPI) -> Any:
    """The view of /openapi.json."""

    @require_GET
    def openapi(_request: HttpRequest) -> HttpResponse:
        return JsonResponse(api.get_openapi_schema())

    return openapi


def docs_page(api: NinjaAPI) -> Any:
    """The view of /docs."""

    @cache
    def groups() -> list[tuple[str, list[Operation]]]:
        return _groups(api.get_openapi_schema())

    @require_GET
    def docs(request: HtmxHttpRequest) -> HttpResponse:
        context = {"groups": groups(), "errors": ERRORS.items(), "address": request.build_absolute_uri("/").rstrip("/")}
        return render_page(request, "api/docs.html", context)

    return docs


def _groups(schema: dict[str, Any]) -> list[tuple[str, list[Operation]]]:
    """The operations by tag, in the order of the description."""
    found: dict[str, list[Operation]] = {}
    for path, methods in schema["paths"].items():
        for method, raw in methods.items():
            for tag in raw.get("tags", ["other"]):
                found.setdefault(tag, []).append(_operation(schema, method.upper(), path, raw))
    return list(found.items())


def _operation(schema: dict[str, Any], method: str, path: str, raw: dict[str, Any]) -> Operation:
    named = [
        Field(each["name"], each["in"], _type(schema, each["schema"]), each.get("required", False), each.get("description", ""))
        for each in raw.get("parameters", [])
    ]
    body = raw.get("requestBody", {}).get("content", {})
    given = [field for kind in body.values() for field in _fields(schema, kind["schema"])]
    answers = [_answer(schema, str(status), answer) for status, answer in raw["responses"].items() if int(status) < 300]
    curl = _curl(method, path, next(iter(body), ""), given)
    return Operation(raw["operationId"], method, path, raw.get("description", ""), [*named, *given], answers, curl)


def _answer(schema: dict[str, Any], status: str, answer: dict[str, Any]) -> Answer:
    fields = [field for kind in answer.get("content", {}).values() for field in _fields(schema, kind["schema"])]
    return Answer(status, answer.get("description", ""), fields)


def _fields(schema: dict[str, Any], node: dict[str, Any]) -> Iterator[Field]:
    node = _resolved(schema, node)
    required = node.get("required", [])
    for name, each in node.get("properties", {}).items():
        example = json.dumps(each["examples"][0]) if each.get("examples") else "…"
        yield Field(name, "body", _type(schema, each), name in required, each.get("description", ""), example)


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    found: dict[str, Any] = schema["components"]["schemas"][node["$ref"].rpartition("/")[2]]
    return found


def _type(schema: dict[str, Any], node: dict[str, Any]) -> str:
    """In a word or two: string, uuid, list of string, DocumentOut."""
    if "$ref" in node:
        return str(node["$ref"].rpartition("/")[2])
    if kinds := node.get("anyOf"):
        return " or ".join(_type(schema, kind) for kind in kinds)
    if "enum" in node:
        return ", ".join(map(str, node["enum"]))
    if node.get("type") == "array":
        return f"list of {_type(schema, node.get('items', {}))}"
    return str(node.get("format") or node.get("type") or "anything")


def _curl(method: str, path: str, content_type: str, given: list[Field]) -> str:
    words = ["curl"] + ([f"-X {method}"] if method != "GET" else [])
    words += [f'"$LONGREAD{path}"', '-H "Authorization: Bearer $TOKEN"']
    if content_type == "multipart/form-data":
        words += [f"-F {field.name}=@FILE" for field in given]
    elif content_type == "application/octet-stream":
        words.append("--data-binary @PART")
    elif content_type:
        shown = ", ".join(f'"{field.name}": {field.example}' for field in given)
        words += [f'-H "Content-Type: {content_type}"', f"-d '{{{shown}}}'"]
    return " ".join(words)
