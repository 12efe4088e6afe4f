"""Every error of the API has one form: {"error": a sentence} with the status that says whose fault it is."""

from __future__ import annotations

import logging

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from webapp.api.parts import PartRefused
from webapp.ask.services import QuestionRefused, TitleRefused
from webapp.checklist.services import SweepRefused, VerdictRefused
from webapp.export.blocks import ExportRefused
from webapp.library.members import ShareRefused
from webapp.library.services import MoveRefused, NameRefused
from webapp.sharing.services import LinkRefused
from webapp.upload.repositories import RepositoryRefused
from webapp.upload.unlocking import UnlockRefused

logger = logging.getLogger(__name__)

# What cannot be done as things are, each with a sentence that says what to do.
REFUSALS = (
    QuestionRefused,
    SweepRefused,
    VerdictRefused,
    ExportRefused,
    PartRefused,
    MoveRefused,
    ShareRefused,
    LinkRefused,
    TitleRefused,
    UnlockRefused,
    RepositoryRefused,
)


def errors_register(api: NinjaAPI) -> None:
    """Makes `api` answer errors in that form."""

    @api.exception_handler(AuthenticationError)
    def unauthenticated(request: HttpRequest, _: AuthenticationError) -> HttpResponse:
        response = _answer(request, "Send a valid API token as `Authorization: Bearer TOKEN`; tokens are made on the account page.", 401)
        response["WWW-Authenticate"] = "Bearer"
        return response

    @api.exception_handler(Http404)
    def missing(request: HttpRequest, _: Http404) -> HttpResponse:
        return _answer(request, "There is no such thing here, or it is not shared with you.", 404)

    @api.exception_handler(PermissionDenied)
    def forbidden(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
        return _answer(request, str(error), 403)

    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        return _answer(request, "; ".join(f"{detail['loc'][-1]}: {detail['msg']}" for detail in error.errors), 422)

    def refused(request: HttpRequest, error: Exception) -> HttpResponse:
        return _answer(request, str(error), 409)

    for refusal in REFUSALS:
        api.exception_handler(refusal)(refused)

    @api.exception_handler(Exception)
    def broken(request: HttpRequest, error: Exception) -> HttpResponse:
        logger.error("The API broke at %s.", request.path, exc_info=error)
        return _answer(request, "Something broke here. It is in the log; try again, or tell whoever runs this Longread.", 500)

    @api.exception_handler(NameRefused)
    def misnamed(request: HttpRequest, error: NameRefused) -> HttpResponse:
        return _answer(request, str(error), 422)

    @api.exception_handler(SuspiciousOperation)
    def suspicious(request: HttpRequest, _: SuspiciousOperation) -> HttpResponse:
        return _answer(request, "This request is larger or stranger than the server takes; send fewer files at a time.", 400)

    @api.exception_handler(HttpError)
    def other(request: HttpRequest, error: HttpError) -> HttpResponse:
        return _answer(request, str(error), error.status_code)

    def _answer(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
        return api.create_response(request, {"error": sentence}, status=status)
