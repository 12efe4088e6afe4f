"""E-mails (.eml): who wrote to whom, when and about what, the text, the names of what is attached. Opens and fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_binary_file
from email.message import EmailMessage, MIMEPart
from email.policy import default
from pathlib import Path

from ingest.limits import Limits
from ingest.parsers.markup import markup_text
from ingest.parsers.text import decoded

_HEADERS = ("From", "To", "Cc", "Date", "Subject")


def read_mail(source: Path, limits: Limits) -> Iterator[str]:  # noqa: ARG001 -- every Read takes both
    """The mail in one part."""
    with source.open("rb") as file:
        message = message_from_binary_file(file, policy=default)
    assert isinstance(message, EmailMessage)
    lines = [f"{name}: {' '.join(str(value).split())}" for name in _HEADERS for value in message.get_all(name, [])]
    yield "\n".join([*lines, "", _body(message), "", *_attachments(message)]).rstrip("\n") + "\n"


def _body(message: EmailMessage) -> str:
    """The plain text if there is one that says something, else that of the HTML."""
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        text = "" if part is None else _characters(part)
        text = markup_text(text) if kind == "html" else text.replace("\r\n", "\n")
        if text.strip():
            return text.strip("\n")
    return ""


def _characters(part: MIMEPart) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    try:
        return data.decode(part.get_content_charset("utf-8"))
    except (LookupError, UnicodeDecodeError):  # it is not what it says
        return decoded(data)


def _attachments(message: EmailMessage) -> Iterator[str]:
    for part in message.iter_attachments():
        name = part.get_filename() or part.get_content_type()
        yield f"Attachment (not read): {' '.join(str(name).split())}"
