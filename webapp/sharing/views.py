"""The page on which links to an answer are made and revoked, and the page that such a link opens, for people without an account."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.requests import UserRequest
from webapp.ask.selectors import answer_detail
from webapp.ask.supporting import others, supporting
from webapp.core.rendering import HtmxHttpRequest, render_page
from webapp.library.access import Right, require
from webapp.sharing.services import DAYS, LinkRefused, link_create, link_detail, link_follow, link_list, link_revoke


@login_required
@require_http_methods(["GET", "POST"])
def links(request: UserRequest, answer_id: UUID) -> HttpResponse:
    """Posting makes a link, and answers with the page itself and not with a redirect: the link is shown this once."""
    answer = answer_detail(user=request.user, answer_id=answer_id)
    require(request.user, Right.CHANGE, answer.question.collection)
    context = {"answer": answer, "question": answer.question, "days": DAYS}
    if request.method == "POST":
        days = request.POST.get("days", "")
        try:
            _, token = link_create(answer=answer, owner=request.user, days=int(days) if days.isascii() and days.isdigit() else 0)
            context |= {"new_link": request.build_absolute_uri(f"/shared/{token}/")}
        except LinkRefused as error:
            messages.error(request, str(error))
    return render_page(request, "sharing/links.html", context | {"links": link_list(answer=answer)})


@login_required
@require_POST
def revoke(request: UserRequest, link_id: UUID) -> HttpResponse:
    link = link_detail(user=request.user, link_id=link_id)
    link_revoke(link=link)
    messages.success(request, gettext("The link {prefix}… opens nothing any more.").format(prefix=link.prefix))
    return redirect("sharing-links", link.answer_id)


@require_GET
def shared(request: HtmxHttpRequest, token: str) -> HttpResponse:
    """The answer with its quotes, and nothing else: no way to the documents, the collection or other answers."""
    link = link_follow(token=token)
    answer = link.answer
    citations = list(answer.citations.all())
    own = supporting(citations, answer)
    # A mark [1] that the model set stays where it is; quotes without one are named after the text.
    named = [citation for citation in own if f"[{citation.number}]" not in answer.text]
    quotes = {"citations": own, "named": named, "others": others(citations, answer)}
    context = {"link": link, "answer": answer, "question": answer.question, **quotes}
    response = render_page(request, "sharing/shared.html", context)
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
