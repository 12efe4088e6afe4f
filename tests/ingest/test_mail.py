"""E-mails and RTF: the words that people wrote."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage

import pytest

from ingest.errors import FileRefused

TextOf = Callable[..., str]
HEADERS = "From: Käthe <kaethe@example.org>\nTo: Ann <ann@example.org>\nDate: Sun, 01 Mar 2026 10:00:00 +0000\nSubject: The fee for März\n"


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Käthe <kaethe@example.org>"
    message["To"] = "Ann <ann@example.org>"
    message["Date"] = "Sun, 01 Mar 2026 10:00:00 +0000"
    message["Subject"] = "The fee for März"
    message["Message-ID"] = "<1@example.org>"
    return message


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
def test_it_reads_who_wrote_what_to_whom(text_of: TextOf, charset: str) -> None:
    message = mail()
    message.set_content("Die Gebühr beträgt 40.\n\nGrüße\n", charset=charset)
    assert text_of(message.as_bytes(), "a.eml") == f"{HEADERS}\nDie Gebühr beträgt 40.\n\nGrüße\n"


def test_it_prefers_plain_text_and_lists_attachments_unopened(text_of: TextOf) -> None:
    message = mail()
    message.set_content("plain words")
    message.add_alternative("<p>formatted words</p>", subtype="html")
    message.add_attachment(b"PK\x03\x04", maintype="application", subtype="zip", filename="Rechnung März.zip")
    assert text_of(message.as_bytes()) == f"{HEADERS}\nplain words\n\nAttachment (not read): Rechnung März.zip\n"


def test_it_reads_html_where_there_is_nothing_else(text_of: TextOf) -> None:
    message = mail()
    message.set_content("<html><script>evil()</script><h1>Fees</h1><p>40 <img src='http://evil.example'>euros</p></html>", subtype="html")
    assert text_of(message.as_bytes()) == f"{HEADERS}\n# Fees\n\n40 euros\n"


def test_a_text_with_a_colon_is_no_mail(text_of: TextOf) -> None:
    memo = b"From: the office\nTo: all\n\nThe fee rises.\n"
    assert text_of(memo) == memo.decode()


def test_a_mail_that_breaks_every_rule_is_read_all_the_same(text_of: TextOf) -> None:
    broken = b'From: =?x?q?=\nDate: never\nMIME-Version: 1.0\nContent-Type: text/plain; charset="no such"\n\nDie Geb\xfchr betr\xe4gt 40.\n'
    assert "Die Gebühr beträgt 40." in text_of(broken)


def test_it_says_that_rtf_is_damaged(text_of: TextOf) -> None:
    with pytest.raises(FileRefused, match="RTF document is damaged"):
        text_of(rb"{\rtf1\ansi \u99999999? x}")


def test_it_reads_rtf(text_of: TextOf) -> None:
    rtf = (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\*\generator x;}{\info{\title hidden}}\pard The \b fee\b0  is 40 \'80.\par "
        rb"K\'e4the\line agrees \u8364? too.\par{\pict\pngblip 89504e47}{\object\objdata 0105}}"
    )
    assert text_of(rtf, "a.rtf") == "The fee is 40 €.\nKäthe\nagrees € too.\n"
