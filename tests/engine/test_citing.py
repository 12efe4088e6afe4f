"""Free answers: what readers see of them however the stream is cut, and what becomes of each quote."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from engine.citing import ALL_VERIFIED, NONE_VERIFIED, SAID_NOT_FOUND, SOME_VERIFIED, FreeAnswer
from engine.events import Quote, Token
from engine.passages import NOT_FOUND, SYSTEM, Passages, messages
from engine.places import Texts
from engine.prompt import Prompt
from engine.quote_marks import MOST_QUOTE_CHARACTERS
from engine.tokenizer import Tokenizer
from tests.engine.prompts import make_prompt

pytestmark = pytest.mark.weights

RENT = "The annual rent is 12,400 euros, payable in advance."
SAID = "“Landlord” means the élite “Café 😀 Zoë” company — see clause 4."
CODE = 'fees["late"] = base * rate[0]  # "late" fees <b>'
LEASE = [f"{RENT}\nIt is due on 1 May\nof each year.\n\n", f"{SAID} It may not sublet.\n\n", "Nothing else is agreed."]
OTHER = [f"{CODE}\n", "It is due on 1 May\n"]


@pytest.fixture(scope="module")
def tokenizer(weights_folder: Path) -> Tokenizer:
    return Tokenizer.open(weights_folder)


@pytest.fixture(scope="module")
def prompt(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    """Passages 1 to 3 are the lease, 4 and 5 the code."""
    return make_prompt(tmp_path_factory.mktemp("prompt"), tokenizer, {"lease": LEASE, "code": OTHER})


class Heard:
    """What a reader gets of one answer."""

    def __init__(self, prompt: Prompt, pieces: Iterable[str], cut: bool = False) -> None:
        self.texts = Texts(prompt)
        self.answer = FreeAnswer(Passages(prompt).all(), self.texts)
        self.events = [event for piece in pieces for event in self.answer.feed(piece)]
        self.events += self.answer.end(cut=cut)
        self.text = "".join(event.text for event in self.events if isinstance(event, Token))
        self.quotes = [event for event in self.events if isinstance(event, Quote)]

    def spans(self) -> list[str]:
        return [self.texts.of(quote.document)[quote.start_char : quote.end_char] for quote in self.quotes]


def hear(prompt: Prompt, answer: str, cut: bool = False) -> Heard:
    """The answer whole, and character by character: both must come to the same."""
    whole, slow = Heard(prompt, [answer], cut), Heard(prompt, answer, cut)
    assert (slow.text, slow.quotes, slow.answer.found, slow.answer.confidence) == (
        whole.text,
        whole.quotes,
        whole.answer.found,
        whole.answer.confidence,
    )
    assert whole.text.strip() == whole.answer.text or not whole.answer.found
    return whole


def test_it_shows_a_number_where_the_quote_stood_and_finds_the_quote(prompt: Prompt) -> None:
    heard = hear(prompt, f"The rent is 12,400 euros <quote 1>{RENT}</quote>. It is paid yearly.")
    assert heard.text == "The rent is 12,400 euros [1]. It is paid yearly."
    assert heard.quotes == [Quote("lease", 0, len(RENT), RENT, True)]
    assert (heard.answer.found, heard.answer.confidence) == (True, ALL_VERIFIED)


def test_it_gives_each_quote_right_after_its_mark(prompt: Prompt) -> None:
    heard = Heard(prompt, f"Rent <quote 1>{RENT}</quote>, and who <quote 2>{SAID}</quote>!")
    kinds = [type(event) for event in heard.events]
    first, second = (index for index, kind in enumerate(kinds) if kind is Quote)
    assert "".join(event.text for event in heard.events[:first]) == "Rent [1]"
    assert "".join(event.text for event in heard.events[:second] if isinstance(event, Token)) == "Rent [1], and who [2]"


@pytest.mark.parametrize("piece", range(1, 12))
def test_it_never_shows_half_a_tag_wherever_the_stream_is_cut(prompt: Prompt, piece: int) -> None:
    answer = f'It is <b>due</b> if 1 < 2 <quote id="2">{SAID}</quote> and <Quote passage 1>{RENT}</QUOTE> <quo> x<y'
    heard = Heard(prompt, [answer[start : start + piece] for start in range(0, len(answer), piece)])
    assert heard.text == "It is <b>due</b> if 1 < 2 [1] and [2] <quo> x<y"
    shown = ""
    for event in heard.events:
        shown += event.text if isinstance(event, Token) else ""
        assert "<quote" not in shown.lower()
        assert "</q" not in shown.lower()
    assert [quote.verified for quote in heard.quotes] == [True, True]


@pytest.mark.parametrize("text", [SAID, CODE, "“Café 😀 Zoë”", 'rate[0]  # "late"', "base * rate[0]", "Zoë” company — see"])
def test_it_finds_odd_characters_exactly(prompt: Prompt, text: str) -> None:
    heard = hear(prompt, f"So it says <quote 2>{text}</quote>")
    assert (heard.spans(), heard.quotes[0].text, heard.quotes[0].verified) == ([text], text, True)


@pytest.mark.parametrize("marks", ["“{}”", '"{}"', "'{}'", "„{}“", "«{}»", " {} \n"])
def test_it_takes_off_the_quotation_marks_that_the_model_added(prompt: Prompt, marks: str) -> None:
    assert hear(prompt, f"So <quote 1>{marks.format(RENT)}</quote>").quotes == [Quote("lease", 0, len(RENT), RENT, True)]


def test_it_keeps_the_quotation_marks_that_the_source_has(prompt: Prompt) -> None:
    assert hear(prompt, "Who <quote 2>“Café 😀 Zoë”</quote>").quotes[0].text == "“Café 😀 Zoë”"


def test_it_forgives_blanks_and_then_quotes_the_source_itself(prompt: Prompt) -> None:
    heard = hear(prompt, "When <quote 1>It is due on 1 May of  each year.</quote>")
    (quote,) = heard.quotes
    assert (quote.text, quote.verified) == ("It is due on 1 May\nof each year.", True)
    assert heard.spans() == [quote.text]


def test_it_forgives_the_kinds_of_quotation_marks_and_dashes_and_then_quotes_the_source_itself(prompt: Prompt) -> None:
    straight = hear(prompt, 'Who <quote 2>"Landlord" means the élite "Café 😀 Zoë" company - see clause 4.</quote>')
    curly = hear(prompt, "What <quote 4>fees[“late”] = base * rate[0]  # „late‟ fees</quote>")
    assert (straight.spans(), straight.quotes[0].verified) == ([SAID], True)
    assert (curly.spans(), curly.quotes[0].verified) == ([CODE.removesuffix(" <b>")], True)
    assert [quote.text for quote in straight.quotes + curly.quotes] == straight.spans() + curly.spans()


@pytest.mark.parametrize(
    "changed",
    [
        "The annual rent is 12,500 euros, payable in advance.",
        "the annual rent is 12,400 euros",
        "The annual rent … payable in advance.",
        '"Landlord means',
        "The annual rent is 12 400 euros",
        '" "',
        "elite “Café",
        "Theannualrent",
    ],
)
def test_it_forgives_nothing_else(prompt: Prompt, changed: str) -> None:
    heard = hear(prompt, f"So <quote 2>{changed}</quote> it is.")
    start = len(LEASE[0])
    assert heard.quotes == [Quote("lease", start, start + len(LEASE[1]), changed, False)]
    assert heard.text == "So [1] it is."
    assert (heard.answer.found, heard.answer.confidence) == (True, NONE_VERIFIED)


def test_it_is_half_sure_where_only_some_quotes_stand_there(prompt: Prompt) -> None:
    heard = hear(prompt, f"A <quote 1>{RENT}</quote> and b <quote 1>The rent is waived.</quote>")
    assert ([quote.verified for quote in heard.quotes], heard.answer.confidence) == ([True, False], SOME_VERIFIED)


def test_it_looks_near_the_passage_named_first_and_then_everywhere(prompt: Prompt) -> None:
    due = "It is due on 1 May"
    named = {number: hear(prompt, f"When <quote {number}>{due}</quote>").quotes[0] for number in (1, 3, 5)}
    assert [(quote.document, quote.start_char) for quote in named.values()] == [
        ("lease", LEASE[0].index(due)),
        ("lease", LEASE[0].index(due)),
        ("code", len(OTHER[0])),
    ]
    elsewhere = hear(prompt, f"When <quote 4>{RENT}</quote>").quotes[0]
    assert (elsewhere.document, elsewhere.verified) == ("lease", True)


@pytest.mark.parametrize("opening", ["<quote 77>", "<quote>", "<quote 0>", "<quote passage=999999999999>"])
def test_it_survives_a_number_that_no_passage_has(prompt: Prompt, opening: str) -> None:
    found, invented = hear(prompt, f"A {opening}{CODE}</quote>"), hear(prompt, f"A {opening}Made up.</quote>")
    assert (found.quotes[0].document, found.quotes[0].verified) == ("code", True)
    assert (invented.quotes[0].document, invented.quotes[0].verified, invented.quotes[0].text) == ("lease", False, "Made up.")


def test_it_counts_a_repeated_quote_once(prompt: Prompt) -> None:
    heard = hear(prompt, f"A <quote 1>{RENT}</quote>, b <quote 2>{SAID}</quote>, again <quote 1>{RENT}</quote> <quote 3>{RENT}</quote>.")
    assert heard.text == "A [1], b [2], again [1] [1]."
    assert [quote.text for quote in heard.quotes] == [RENT, SAID]


def test_it_reads_a_quote_inside_a_quote_as_two(prompt: Prompt) -> None:
    heard = hear(prompt, f"A <quote 2>means the élite <quote 1>{RENT}</quote> company</quote>.")
    assert heard.text == "A [1] [2] company."
    assert [quote.verified for quote in heard.quotes] == [True, True]


def test_it_ends_a_quote_that_was_never_closed_with_its_line(prompt: Prompt) -> None:
    heard = hear(prompt, f"A <quote 1>{RENT}\nAnd so the rent is clear.")
    assert heard.text == "A [1]\nAnd so the rent is clear."
    assert (heard.quotes[0].text, heard.quotes[0].verified) == (RENT, True)


@pytest.mark.parametrize("rest", ["<", "</", "</quo", "</quote"])
def test_it_drops_half_a_closing_tag_at_the_end(prompt: Prompt, rest: str) -> None:
    heard = hear(prompt, f"A <quote 1>{RENT}{rest}")
    assert heard.text == "A [1]"
    assert (heard.quotes[0].text, heard.quotes[0].verified) == (RENT, True)


def test_it_gives_up_on_a_quote_without_end(prompt: Prompt) -> None:
    long = "word " * MOST_QUOTE_CHARACTERS
    heard = Heard(prompt, ["A <quote 1>", *(f"{long[start : start + 50]}" for start in range(0, len(long), 50))])
    assert not heard.quotes[0].verified
    assert len(heard.text) > len(long) - 2 * MOST_QUOTE_CHARACTERS


def test_it_says_the_quoted_words_where_the_model_says_nothing_else(prompt: Prompt) -> None:
    heard = hear(prompt, f"<quote 1>{RENT}</quote>\n- <quote 2>{SAID}</quote>")
    assert heard.text == f"“{RENT}” [1]\n- “{SAID}” [2]"


@pytest.mark.parametrize(
    "answer", ["90 days.", "The rent is 12,400 euros [1].", "x < y && y > z", "<p>Fine</p>", "NOT", "Not here, but there."]
)
def test_it_passes_plain_text_through_as_an_answer(prompt: Prompt, answer: str) -> None:
    heard = hear(prompt, answer)
    assert (heard.text, heard.quotes, heard.answer.found, heard.answer.confidence) == (answer, [], True, NONE_VERIFIED)


@pytest.mark.parametrize(
    "answer",
    [NOT_FOUND, f"{NOT_FOUND}.", f"\n **{NOT_FOUND}**", NOT_FOUND.lower(), f"{NOT_FOUND}. But <quote 1>{RENT}</quote>", "", "  \n"],
)
def test_it_says_nothing_when_the_model_says_not_found(prompt: Prompt, answer: str) -> None:
    heard = hear(prompt, answer)
    assert heard.text.strip() == ""
    assert not heard.quotes
    assert (heard.answer.found, heard.answer.text, heard.answer.confidence) == (False, "", SAID_NOT_FOUND)
    assert heard.answer.denied is bool(answer.strip())


def test_it_believes_a_late_not_found_unless_a_quote_stands_in_the_source(prompt: Prompt) -> None:
    assert not hear(prompt, f"The answer is: {NOT_FOUND}").answer.found
    assert hear(prompt, f"Rent <quote 1>{RENT}</quote>; the rest is {NOT_FOUND}").answer.found


def test_it_shows_where_an_answer_was_cut(prompt: Prompt) -> None:
    assert hear(prompt, "The rent is", cut=True).text == "The rent is …"
    assert hear(prompt, NOT_FOUND, cut=True).text == ""


def test_it_keeps_a_models_thoughts_to_itself(prompt: Prompt) -> None:
    assert hear(prompt, "<think>Is it <quote 1>x</quote>?\n</think>\n\nYes.").text == "Yes."
    assert hear(prompt, "Use <think> here.").text == "Use <think> here."
    assert hear(prompt, "A <quote 1>it </think> is</quote>").quotes[0].text == "it </think> is"


def test_it_survives_an_answer_without_passages(prompt: Prompt) -> None:
    answer = FreeAnswer([], Texts(prompt))
    assert [*answer.feed("A <quote 1>b</quote>"), *answer.end()] == [
        Token("A "),
    ]


def test_it_spells_what_comes_before_the_question_the_same_for_every_question(prompt: Prompt, tokenizer: Tokenizer) -> None:
    passages, texts = Passages(prompt), Texts(prompt)
    shuffled = [passages.all()[index] for index in (3, 0, 2)]
    first, second = (
        messages(chosen, texts, tokenizer, question) for chosen, question in ((shuffled, "One?"), (sorted(shuffled, key=str), "Two\n?"))
    )
    assert first[0] == second[0] == {"role": "system", "content": SYSTEM}
    assert first[1]["content"].removesuffix("One?") == second[1]["content"].removesuffix("Two ?")
    assert first[1]["content"].startswith(f"<passage 1>\n[lease]\n{LEASE[0]}\n</passage>\n\n<passage 3>\n[lease]\n")
    assert "<passage 2>" not in first[1]["content"]
    assert f"<passage 4>\n[code]\n{OTHER[0]}\n</passage>" in first[1]["content"]
