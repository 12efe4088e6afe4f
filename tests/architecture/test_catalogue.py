"""The catalogues of what there is to translate hold all that the sources say, and the tools that translators use can make them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from tests.architecture.source import ROOT
from tests.missing import missing

MESSAGE = re.compile(r"^(msgid|msgid_plural|msgctxt) ((?:\".*\"\n)+)", re.MULTILINE)


def messages(catalogue: Path) -> set[tuple[str, str]]:
    """What there is to translate, its long lines joined."""
    found = MESSAGE.findall(catalogue.read_text(encoding="utf-8"))
    return {(kind, "".join(re.findall(r"^\"(.*)\"$", text, re.MULTILINE))) for kind, text in found}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Path:
    """The catalogues as the sources are now, with an empty one of German."""
    if not shutil.which("xgettext"):
        missing("there is no GNU gettext on this machine (on Debian: apt install gettext)")
    for folder in ("webapp", "templates", "static"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / "locale").mkdir()
    monkeypatch.chdir(tmp_path)
    settings.LOCALE_PATHS = [str(tmp_path / "locale")]
    call_command("makemessages", locale=["de"], symlinks=True, verbosity=0)
    return tmp_path / "locale"


@pytest.mark.parametrize("domain", ["django", "djangojs"])
def test_the_catalogue_is_up_to_date(made: Path, domain: str) -> None:
    now, kept = messages(made / f"{domain}.pot"), messages(ROOT / "locale" / f"{domain}.pot")
    assert now == kept, f"./run manage makemessages brings it up to date: {now ^ kept}"


def test_it_makes_the_catalogue_of_a_language(made: Path) -> None:
    assert messages(made / "de" / "LC_MESSAGES" / "django.po") == messages(made / "django.pot")
    assert ("msgid", "Ask this document") in messages(made / "django.pot")
    assert ("msgid_plural", "{n} documents") in messages(made / "django.pot")
    assert ("msgid", "%(name)s: waits") in messages(made / "djangojs.pot")
