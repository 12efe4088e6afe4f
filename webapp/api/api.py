"""REST API v1: routes to the same services that the pages use. The OpenAPI description is at openapi.json.

There is no page of documentation in it: the one that comes with the library loads scripts from elsewhere. docs/api.md has examples.
"""

from __future__ import annotations

from ninja import NinjaAPI

from webapp.api import collections, documents, jobs, questions, sweeps
from webapp.api.auth import TokenAuth
from webapp.api.errors import errors_register

api = NinjaAPI(
    title="Longread",
    version="1",
    description="Ask questions of millions of tokens and get the quote.",
    auth=TokenAuth(),
    docs_url=None,
    urls_namespace="api",
)
api.add_router("/collections", collections.router)
api.add_router("/documents", documents.router)
api.add_router("/jobs", jobs.router)
api.add_router("/questions", questions.router)
api.add_router("/sweeps", sweeps.router)
errors_register(api)
