"""Everything that people read can be translated: no template, no message and no script says a word that is not marked for it.

docs/translating.md says how words are marked.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template.base import Lexer, TokenType
from django.template.loader import get_template

from tests.architecture.source import ROOT, sources, tree, within

TEMPLATES = sorted(file for file in (ROOT / "templates").rglob("*") if file.is_file())
SCRIPTS = sorted((ROOT / "static").glob("*.js"))
# Names, which are the same in every language.
NAMES = {"Longread", "PDF", "Word", "Markdown", "CSV", "JSON", "BibTeX", "SHA", "kbd"}
READ_ALOUD = {"aria-label", "aria-description", "title", "alt", "placeholder", "label"}
WORD = re.compile(r"[^\W\d_]{2,}")
# What a tag or a variable of a template leaves behind.
GONE = " ¦ "


def unmarked(template: str) -> list[str]:
    """The words of a template that stand there as they are."""
    parser = _Words()
    parser.feed("".join(_pieces(template)))
    parser.close()
    return [text.strip() for text in parser.found if set(WORD.findall(text)) - NAMES]


def _pieces(template: str) -> Iterator[str]:
    inside = False
    for token in Lexer(template).tokenize():
        words = token.contents.split(maxsplit=1)
        if token.token_type == TokenType.BLOCK and words[0] in ("blocktranslate", "endblocktranslate", "comment", "endcomment"):
            inside = not words[0].startswith("end")
        elif not inside:
            yield token.contents if token.token_type == TokenType.TEXT else GONE


class _Words(HTMLParser):
    """Collects what is shown or read aloud."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.code += tag in ("script", "style", "pre", "code", "kbd")
        self.found += [value for name, value in attrs if name in READ_ALOUD and value]

    def handle_endtag(self, tag: str) -> None:
        self.code -= tag in ("script", "style", "pre", "code", "kbd")

    def handle_data(self, data: str) -> None:
        if not self.code:
            self.found += data.split(GONE.strip())


# A block that is no text of the page.
NO_TEXT = re.compile(r"\{% block body_class %\}.*?\{% endblock %\}")


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.relative_to(ROOT)))
def test_it_marks_every_word_of_a_template(file: Path) -> None:
    found = unmarked(NO_TEXT.sub("", file.read_text(encoding="utf-8")))
    assert not found, f"Put these into {{% translate %}} or {{% blocktranslate %}} (docs/translating.md): {found}"


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.relative_to(ROOT)))
def test_it_loads_the_tags_that_a_template_uses(file: Path) -> None:
    get_template(str(file.relative_to(ROOT / "templates")))


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("<p>Plain words</p>", ["Plain words"]),
        ('<p title="Hover me">{{ x }}</p>', ["Hover me"]),
        ("{% if a %}one{% else %}{{ b }} · two{% endif %}", ["one", "· two"]),
        ('<a aria-label="{% translate "Go" %} {{ x }}">PDF</a>', []),
        ("{% blocktranslate with a=b %}<b>{{ a }}</b> words{% endblocktranslate %} · Longread", []),
        ("<code>curl</code><script>go now</script>", []),
    ],
)
def test_it_finds_words_that_are_not_marked(template: str, found: list[str]) -> None:
    assert unmarked(template) == found


# ---------------------------------------------------------------------------------------------------- Python

# Exceptions whose message is shown on a page end so; those of the API's own module may stay in English.
SHOWN = ("Refused", "Unreadable", "SetupDone")
MESSAGES = {"success", "error", "info", "warning"}
TRANSLATING = {"gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy", "pgettext"}


def is_plain(node: ast.expr) -> bool:
    """Whether it is words as they stand, formatted or not."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return is_plain(node.func.value)
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return any(isinstance(part, ast.Constant) and WORD.search(str(part.value)) for part in parts)


def plain_words(module: str) -> Iterator[int]:
    """Lines of calls that show words as they stand."""
    for node in ast.walk(tree(module)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
        holder = node.func.value.id if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) else ""
        shown: list[ast.expr] = []
        if holder == "messages" and name in MESSAGES:
            shown = node.args[1:2]
        elif name.endswith(SHOWN) or name == "Notice":
            shown = node.args[:2]
        elif name in TRANSLATING and any(isinstance(argument, ast.JoinedStr) for argument in node.args):
            yield node.lineno  # what is put together at run time is in no catalogue
        shown += [keyword.value for keyword in node.keywords if keyword.arg in ("label", "help_text") and name.endswith("Field")]
        yield from (node.lineno for argument in shown if is_plain(argument))


@pytest.mark.parametrize("module", [name for name in sources() if within(name, "webapp") and not within(name, "webapp.api")])
def test_it_marks_every_message(module: str) -> None:
    assert not [f"{sources()[module].relative_to(ROOT)}:{line}" for line in plain_words(module)]


# ---------------------------------------------------------------------------------------------------- scripts

LITERAL = re.compile(r"""(?P<before>\w*\()?(?P<quote>["'`])(?P<text>(?:\\.|(?!(?P=quote)).)*)(?P=quote)""")
SENTENCE = re.compile(r"(?!use strict)[A-Za-z][a-z]+[,:;.]? [a-z%($]")
NOT_SHOWN = ("gettext(", "closest(", "querySelector(", "all(", "matchMedia(")


def plain_literals(script: str) -> list[str]:
    """Strings that read like words for people and are not marked."""
    code = re.sub(r"(^|;) *//.*$|ngettext\(\"[^\"]*\", \"[^\"]*\"", "", script, flags=re.MULTILINE)
    return [found["text"] for found in LITERAL.finditer(code) if SENTENCE.match(found["text"]) and found["before"] not in NOT_SHOWN]


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_it_marks_every_word_of_a_script(file: Path) -> None:
    assert not plain_literals(file.read_text(encoding="utf-8"))


def test_it_finds_words_of_a_script_that_are_not_marked() -> None:
    script = 'a.textContent = "Ask on"; b(gettext("Ask on")); // a comment here\nc = `wait for ${name}`; d = "a.b[c]"'
    assert plain_literals(script) == ["Ask on", "wait for ${name}"]
