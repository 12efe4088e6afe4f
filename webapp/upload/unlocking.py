"""A document that needs a password gets it: a copy that opens without one is made at once, and read. Nothing keeps the password.

It is not tried again and again: attempts count by document and by person, whether they come one after the other or all at once.
"""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables

from ingest.errors import FileRefused
from ingest.unlocking import unlock
from webapp.accounts.models import User
from webapp.core import counting
from webapp.core.templatetags.words import duration
from webapp.library.models import Document, DocumentState
from webapp.upload.services import document_retry

WINDOW_SECONDS = 15 * 60
MOST_OF_DOCUMENT = 10
MOST_OF_PERSON = 60
MOST_CHARACTERS = 500  # the longest that the format knows has 127 bytes


class UnlockRefused(Exception):
    """A document that is not unlocked; the message says why and what to do."""


@sensitive_variables("password")
def document_unlock(*, document: Document, password: str, user: User) -> None:
    """Unlocks a document and queues its reading. Raises UnlockRefused."""
    if document.state != DocumentState.LOCKED:
        raise UnlockRefused(gettext("This document needs no password."))
    if not password:
        raise UnlockRefused(gettext("Type the password first."))
    names = [(f"unlock:{document.id}", MOST_OF_DOCUMENT), (f"unlock:@{user.pk}", MOST_OF_PERSON)]
    tried = [counting.count(name, WINDOW_SECONDS) > most for name, most in names]
    if any(tried):
        said = gettext("Too many passwords were tried. Wait {time}, then type the right one.")
        raise UnlockRefused(said.format(time=duration(counting.seconds_left(WINDOW_SECONDS))))
    try:
        unlock(document.folder, password[:MOST_CHARACTERS], settings.LONGREAD_LIMITS)
    except FileRefused as error:
        raise UnlockRefused(str(error)) from error
    counting.forget(names[0][0], WINDOW_SECONDS)
    document_retry(document=document)
