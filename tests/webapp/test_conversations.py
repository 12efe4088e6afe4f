"""Follow-ups that borrow words of the question before, and documents that a question leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from engine.events import AnswerEvent, AnswerOptions, Done, Located, Quote, Timings, Token, Usage
from engine.prompt import Prompt
from tests.webapp.terms import QUOTE, TEXT, terms_document
from webapp.accounts.models import User
from webapp.ask import answering
from webapp.ask.following import speaks_of, together
from webapp.ask.models import Answer, AnswerState, Citation, Conversation, Question
from webapp.ask.services import QuestionRefused, question_ask
from webapp.jobs.running import run_job
from webapp.library.models import Collection, Document, DocumentState, Membership

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker"), pytest.mark.weights]

FIRST = "How much notice must the landlord give?"
NOT_ASKED = ", not asked</title>"
WITH_WORDS = "much notice must landlord give And either party?"


class Finding:
    """An engine that finds QUOTE in the words that it knows, and nothing in others; it remembers what it was asked. `named`: what it says
    that questions name."""

    def __init__(self, *known: str, named: tuple[str, ...] = ()) -> None:
        self.known, self.named = known, named
        self.asked: list[tuple[str, list[str]]] = []

    def answer(self, prompt: Prompt, question: str, *, options: AnswerOptions) -> Iterator[AnswerEvent]:
        self.asked.append((question, [document.id for document in prompt.documents]))
        start = TEXT.index(QUOTE)
        document = prompt.documents[0].id
        yield Located(document, 0, start, start + len(QUOTE), QUOTE, score=1.0)
        found = question in self.known
        if found:
            yield Token("90 days")
            yield Quote(document, start, start + len(QUOTE), QUOTE, verified=True)
        yield Done(
            "90 days" if found else "",
            found,
            0.8 if found else 0.2,
            Usage(30, 1, 30, 1, named=self.named),
            Timings(0.1, 0.2, 0.3, 0.5),
            "finding",
            "isolated",
        )


@pytest.fixture
def document(collection: Collection) -> Document:
    return terms_document(collection)


@pytest.fixture
def first(collection: Collection, document: Document, alice: User) -> Question:
    return question_ask(collection=collection, owner=alice, text=FIRST)


def answered(question: Question, engine: Finding) -> Answer:
    assert question.answer.job
    run_job(str(question.answer.job.id), "test", lambda job, report: answering.answer(job, report, engine))  # type: ignore[arg-type]
    return Answer.objects.select_related("question").get(id=question.answer.id)


def follow_up(first: Question, text: str = "And either party?", **fields: bool) -> Question:
    return question_ask(collection=first.collection, owner=first.owner, text=text, follows=first, **fields)


def test_it_puts_the_key_words_of_the_question_before_before_a_follow_up() -> None:
    assert together(FIRST, "And the tenant?") == "much notice must landlord give And the tenant?"
    assert together("And why?", "And the tenant?") == ""
    assert together("word " * 10 + "x" * 1990, "And the tenant?") == ""


def test_it_knows_a_quote_that_speaks_of_what_was_asked() -> None:
    assert speaks_of("Analyst, remote per day 890", "And remote?")
    assert speaks_of("The Tenants shall pay.", "And for the tenant's fees?")
    assert not speaks_of("The landlord shall give notice.", "And the tenant?")
    assert speaks_of("Anything at all.", "And then?")


def test_it_asks_a_follow_up_by_itself_first(first: Question) -> None:
    engine = Finding("And either party?")
    saved = answered(follow_up(first), engine)
    assert [question for question, _ in engine.asked] == ["And either party?"]
    assert (saved.found, saved.question.asked_as, saved.question.conversation) == (True, "", first.conversation)


def test_it_borrows_words_where_a_follow_up_finds_nothing_by_itself(first: Question) -> None:
    engine = Finding(WITH_WORDS)
    saved = answered(follow_up(first), engine)
    assert [question for question, _ in engine.asked] == ["And either party?", WITH_WORDS]
    assert (saved.state, saved.text, saved.question.asked_as) == (AnswerState.DONE, "90 days", WITH_WORDS)
    assert saved.timings["total_s"] == 1.0
    assert saved.prompt_hash == answering.prompt_hash(WITH_WORDS, list(saved.question.collection.documents.all()))
    assert saved.citations.count() == 1


def test_it_does_not_give_the_answer_before_once_more(first: Question) -> None:
    """The quote speaks of notice and of either party, and not of the museum."""
    saved = answered(follow_up(first, "And the museum?"), Finding("much notice must landlord give And the museum?"))
    assert (saved.state, saved.found, saved.text, saved.confidence) == (AnswerState.DONE, False, "", 0.2)
    assert not saved.citations.exists()
    assert saved.located, "what comes nearest is still shown"


def test_it_borrows_nothing_for_a_question_that_is_to_stand_by_itself(first: Question) -> None:
    engine = Finding()
    saved = answered(follow_up(first, by_itself=True), engine)
    assert len(engine.asked) == 1
    assert (saved.found, saved.question.conversation) == (False, first.conversation)


def other_document(collection: Collection) -> Document:
    document = terms_document(collection)
    Document.objects.filter(id=document.id).update(name="other.txt", path="other.txt")
    return document


def test_it_asks_only_what_is_not_left_out_and_says_so(collection: Collection, document: Document, alice: User) -> None:
    other = other_document(collection)
    engine = Finding(FIRST)
    saved = answered(question_ask(collection=collection, owner=alice, text=FIRST, left_out=[other.id]), engine)
    assert engine.asked == [(FIRST, [str(document.id)])]
    assert saved.question.left_out == [{"document": str(other.id), "path": "other.txt"}]
    assert saved.prompt_hash == answering.prompt_hash(FIRST, [document])


def test_it_says_which_documents_a_question_named(collection: Collection, document: Document, alice: User, client: Client) -> None:
    other_document(collection)
    Document.objects.filter(name="other.txt").update(path="other <b>.txt")
    Document.objects.update(token_count=30)
    engine = Finding(named=("other <b>.txt",))
    question = question_ask(collection=collection, owner=alice, text="Who wrote other <b>.txt?")
    saved = answered(question, engine)
    assert saved.usage["named"] == ["other <b>.txt"]
    client.force_login(alice)
    page = client.get(reverse("ask-detail", args=[question.id])).content.decode()
    assert "Asked only of <strong>other &lt;b&gt;.txt</strong>, which the question names." in page
    assert "Not found in this document." in page
    assert page.count(NOT_ASKED) == 1, "the strip shows the other as not asked"
    taken_home = client.get(reverse("ask-export", args=[question.id, "md"])).content.decode()
    assert "Named in the question, and asked alone: other" in taken_home
    engine.named = ()
    question = question_ask(collection=collection, owner=alice, text="Who wrote this?")
    answered(question, engine)
    page = client.get(reverse("ask-detail", args=[question.id])).content.decode()
    assert "which the question names" not in page
    assert "Not found in these 2 documents." in page
    assert NOT_ASKED not in page


def test_of_many_documents_that_a_question_names_it_shows_some(
    collection: Collection, document: Document, alice: User, client: Client
) -> None:
    question = question_ask(collection=collection, owner=alice, text="Which law governs the Acme contract?")
    answered(question, Finding(named=tuple(f"Acme <{number}>.pdf" for number in range(1, 10))))
    client.force_login(alice)
    page = client.get(reverse("ask-detail", args=[question.id])).content.decode()
    assert "Acme &lt;4&gt;.pdf</strong> and 5 documents besides, which the question names." in page
    assert "Acme &lt;5&gt;.pdf" not in page


def naming(first: Question, *names: str) -> None:
    """As if the first question had been answered, of these documents alone."""
    Answer.objects.filter(question=first).update(usage={"named": list(names)}, state=AnswerState.DONE)


def test_a_follow_up_is_put_to_the_documents_that_the_question_before_named(first: Question, client: Client) -> None:
    other_document(first.collection)
    naming(first, "other.txt")
    engine = Finding("other.txt: And either party?", named=("other.txt",))
    saved = answered(follow_up(first), engine)
    assert [question for question, _ in engine.asked] == ["other.txt: And either party?"]
    assert saved.question.asked_as == "other.txt: And either party?"
    client.force_login(first.owner)
    page = client.get(reverse("ask-detail", args=[saved.question.id])).content.decode()
    assert "Asked only of <strong>other.txt</strong>, as the question before." in page
    assert "Ask the same document<" in page
    assert "words of the question before" not in page
    client.post(reverse("ask-question", args=[first.collection.id]), {"text": "And either party?", "follows": str(first.id), "alone": "1"})
    of_all = Question.objects.get(follows=None, conversation=first.conversation, text="And either party?")
    answered(of_all, engine)
    assert engine.asked[-1][0] == "And either party?"
    further = Finding(named=("other.txt",))
    saved = answered(follow_up(saved.question, "And the landlord?"), further)
    with_words = "other.txt: either party And the landlord?"
    assert [question for question, _ in further.asked] == ["other.txt: And the landlord?", with_words], "and so on"
    page = client.get(reverse("ask-detail", args=[saved.question.id])).content.decode()
    assert "Asked by itself, and with words of the question before: “either party And the landlord?”." in page
    assert "Asked only of <strong>other.txt</strong>, as the question before." in page


@pytest.mark.parametrize("text", ["And what does terms.txt say?", "And which documents say else?", "And the terms contract?"])
def test_a_follow_up_that_speaks_of_others_is_put_to_these(first: Question, text: str) -> None:
    other_document(first.collection)
    naming(first, "other.txt")
    engine = Finding(text)
    answered(follow_up(first, text), engine)
    assert [question for question, _ in engine.asked] == [text]


def test_a_follow_up_is_put_to_all_where_what_was_named_is_there_no_more(first: Question) -> None:
    naming(first, "gone.txt")
    engine = Finding("And either party?")
    answered(follow_up(first), engine)
    assert [question for question, _ in engine.asked] == ["And either party?"]


def test_names_in_the_question_before_are_no_words_to_borrow(first: Question) -> None:
    other_document(first.collection)
    Question.objects.filter(id=first.id).update(text="How much notice does other.txt give?")
    first.refresh_from_db()
    engine = Finding()
    answered(follow_up(first, "And terms.txt?"), engine)
    assert [question for question, _ in engine.asked] == ["And terms.txt?", "much notice give And terms.txt?"]


def test_it_leaves_out_an_archive_with_all_its_files(collection: Collection, document: Document, alice: User) -> None:
    archive = Document.objects.create(
        collection=collection, name="a.zip", path="a.zip", is_archive=True, state=DocumentState.READY, sha256=uuid4().hex
    )
    member = other_document(collection)
    Document.objects.filter(id=member.id).update(archive=archive)
    question = question_ask(collection=collection, owner=alice, text=FIRST, left_out=[archive.id])
    assert [row["document"] for row in question.left_out] == [str(member.id)]


def test_it_refuses_to_leave_everything_out(collection: Collection, document: Document, alice: User) -> None:
    with pytest.raises(QuestionRefused, match="Tick at least one"):
        question_ask(collection=collection, owner=alice, text=FIRST, left_out=[document.id])


def post(client: Client, collection: Collection, **fields: object) -> str:
    response = client.post(reverse("ask-question", args=[collection.id]), fields)
    assert response.status_code == 302
    return str(response["Location"])


def test_its_form_leaves_out_what_was_listed_and_is_not_ticked(
    client: Client,
    collection: Collection,
    document: Document,
    alice: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    other = other_document(collection)
    client.force_login(alice)
    post(client, collection, text=FIRST, listed=[str(document.id), str(other.id)], document=[str(document.id)])
    question = Question.objects.get()
    assert [row["path"] for row in question.left_out] == ["other.txt"]
    page = client.get(reverse("ask-detail", args=[question.id])).content.decode()
    assert "Asked without 1 document" in page
    assert "Ask 1 document" in page, "the next question leaves out the same"


def test_its_thread_shows_the_turns_before_and_after(client: Client, first: Question, document: Document, alice: User) -> None:
    answer = answered(first, Finding(FIRST))
    client.force_login(alice)
    location = post(client, first.collection, text="And either party?", follows=str(first.id))
    assert location.endswith("#now")
    second = Question.objects.exclude(id=first.id).get()
    assert (second.follows, second.conversation) == (first, first.conversation)
    page = client.get(location).content.decode()
    assert page.index(FIRST) < page.index("90 days") < page.index('id="now"') < page.index("And either party?</h1>")
    earlier = client.get(reverse("ask-detail", args=[first.id])).content.decode()
    assert earlier.index('id="now"') < earlier.index(f'href="{location.removesuffix("#now")}"')
    assert f'name="follows" value="{second.id}"' in earlier, "one asks on at the end of the thread"
    shelf = client.get(reverse("library-collection", args=[first.collection.id])).content.decode()
    assert shelf.index(FIRST) < shelf.index("And either party?")
    assert answer.found


def test_it_follows_no_question_of_another_collection(client: Client, first: Question, alice: User) -> None:
    elsewhere = Collection.objects.create(owner=alice, name="Elsewhere")
    terms_document(elsewhere)
    client.force_login(alice)
    for follows in (str(first.id), str(uuid4()), "no id"):
        response = client.post(reverse("ask-question", args=[elsewhere.id]), {"text": "And?", "follows": follows})
        assert response.status_code == 404


@pytest.mark.parametrize(
    ("text", "shown", "rests_on"),
    [
        ("Ninety days [1], or 30 [2].", "Ninety days|1|, or 30|2|.", [2]),
        ("Ninety days.", "Ninety days.|1||2|", [2]),
        ("As in [7] <b>.", "As in [7] &lt;b&gt;.|1||2|", [2]),
        ("see [1] there", "see [1] there|1|", [1, 1]),
    ],
)
def test_its_numbers_stand_where_the_model_set_them(
    client: Client, first: Question, document: Document, alice: User, text: str, shown: str, rests_on: list[int]
) -> None:
    """And none where the document itself has such a mark: such an answer rests on the quotes that hold it, the others stand apart."""
    Answer.objects.filter(id=first.answer.id).update(state=AnswerState.DONE, found=True, text=text)
    for number, quote in ((1, "They may, see [1] there, end it."), (2, "<script>alert(1)</script>")):
        names = {"document_name": "terms.txt", "document_path": "terms.txt", "verified": True}
        Citation.objects.create(
            answer=first.answer, number=number, document=document, quote=quote, start_char=0, end_char=5, first_line=1, last_line=1, **names
        )
    client.force_login(alice)
    page = client.get(reverse("ask-detail", args=[first.id])).content.decode()
    assert "<script>alert" not in page
    said = page.split('<p class="answer-text">')[1].split("</p>")[0]
    while '<span class="chip-holder">' in said:
        before, _, rest = said.partition('<span class="chip-holder">')
        chip, _, after = rest.partition("</span></span>")
        said = f"{before}|{chip.split('</a>')[0].rpartition('>')[2]}|{after}"
    assert said == shown
    assert [part.split("</ol>")[0].count('<li class="citation"') for part in page.split('<ol class="citations">')[1:]] == rests_on
    assert ("May answer too" in page) == (len(rests_on) == 2)


def test_a_conversation_is_called_after_its_first_question(first: Question) -> None:
    follow_up(first)
    assert str(Conversation.objects.get()) == FIRST


def test_a_conversation_is_renamed_and_deleted_on_its_page(client: Client, first: Question, alice: User) -> None:
    client.force_login(alice)
    further = follow_up(first)
    assert first.conversation_id
    page = reverse("ask-conversation", args=[first.conversation_id])
    assert page in client.get(reverse("ask-detail", args=[first.id])).content.decode()
    shown = client.get(page).content.decode()
    assert FIRST in shown
    assert further.text in shown
    assert "deletes 2 questions" in shown
    client.post(f"{page}rename", {"title": "Notice  periods"})
    assert "Notice periods" in client.get(reverse("library-collection", args=[first.collection_id])).content.decode()
    refused = client.post(f"{page}rename", {"title": "x" * 201}, follow=True).content.decode()
    assert "This title has 201 characters; the limit is 200." in refused
    client.post(f"{page}delete")
    assert not Conversation.objects.exists()
    assert not Question.objects.exists()
    assert Document.objects.count() == 1


def test_who_only_reads_a_collection_is_shown_no_way_to_delete_what_another_asked(
    client: Client, first: Question, alice: User, bob: User
) -> None:
    Membership.objects.create(collection=first.collection, user=bob)
    client.force_login(bob)
    shown = client.get(reverse("ask-detail", args=[first.id])).content.decode()
    assert FIRST in shown
    assert reverse("ask-conversation", args=[first.conversation_id]) not in shown
