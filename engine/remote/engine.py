"""The engine's public face over an OpenAI-compatible server: locate here, by words; answer there; verify every quote here.

The server gets the whole prompt where that fits its context, else the located passages, best first until it is full. Nothing is kept here:
what a server has read it keeps in a prefix cache of its own, which hits because the same passages are always spelled the same way and the
question comes last (engine.passages). For several threads at once. Knows prompts and events; no rows, no requests, no queues.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from engine.asked import PASSAGES, Asked
from engine.calibration import LOCATE_CHUNKS
from engine.citing import FreeAnswer
from engine.errors import EngineError
from engine.events import AnswerEvent, AnswerOptions, EngineStatus, Located, PrefillEvent, Token
from engine.failed import failed
from engine.lexical import LexicalHit
from engine.naming import named
from engine.passages import fixed_tokens, messages
from engine.places import Texts, by_words, candidates
from engine.prompt import Prompt
from engine.remote.address import ServerAddress
from engine.remote.completion import Ended, ServerUsage, completion
from engine.remote.connection import Connection, Patience
from engine.remote.failures import PromptTooLong, no_answer, no_room
from engine.remote.server import Server, describe
from engine.remote.side_by_side import side_by_side
from engine.sweep import SweepEvent, each_document
from engine.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

ANSWER_TOKENS = 2048  # some models think before they answer
MOST_PASSAGES = 1000
# The server's tokenizer is not ours: so much of its context is left free for the difference.
SPARE_SHARE = 0.15
# A server that read less than this of what was sent has probably cut it; no usual tokenizer differs so much from ours.
CUT_SHARE = 0.4
# After so many seconds a server is asked again which model it serves.
KNOWN_SECONDS = 60.0
# Enough for a server that packs requests, and few enough for one that others use too.
SWEEPS_AT_ONCE = 4


class RemoteEngine:
    """One server, asked for one model."""

    def __init__(self, address: ServerAddress, tokenizer: Tokenizer, patience: Patience | None = None) -> None:
        self.tokenizer = tokenizer
        self._connection = Connection(address, patience or Patience())
        self._server: Server | None = None
        self._known_until = 0.0

    @classmethod
    def open(cls, address: ServerAddress, model_folder: Path) -> RemoteEngine:
        """The server at an address; of the model here it needs only the tokenizer, which made the prompts. Asks nothing yet."""
        return cls(address, Tokenizer.open(model_folder))

    @property
    def name(self) -> str:
        return self._server.model if self._server else self._connection.address.model or self._connection.address.host

    def close(self) -> None:
        """Nothing is held open."""

    def status(self) -> EngineStatus:
        """The model, and the server as its device. Raises EngineError where the server cannot be asked."""
        server = self._described()
        return EngineStatus(server.model, self._connection.address.host, "the server's", PASSAGES, 0, 0, 0)

    def prefill(self, prompt: Prompt, *, deadline: float | None = None) -> Iterator[PrefillEvent]:  # noqa: ARG002 -- the face's
        """Nothing to do, and so no event: the server reads a prompt when the first question over it comes."""
        yield from ()

    def forget(self, documents: Sequence[str], salt: str) -> None:
        """Nothing is kept here; what a server holds of them goes when it needs the room."""

    def locate(self, prompt: Prompt, question: str, *, limit: int = LOCATE_CHUNKS) -> list[Located]:
        """The chunks that share words with the question, best first. Raises an EngineError."""
        asked = named(prompt, question)
        texts = Texts(asked.prompt)
        return [texts.located(place) for place in by_words(asked.prompt, candidates(asked.prompt, asked.question, limit))]

    def answer(self, prompt: Prompt, question: str, *, options: AnswerOptions | None = None) -> Iterator[AnswerEvent]:
        """Located, then tokens and quotes, then one Done or Failed; an empty Token now and then while the server is silent.

        Closing the iterator closes the request, on which servers stop.
        """
        try:
            yield from self._answer(prompt, question, options or AnswerOptions())
        except (EngineError, OSError) as error:
            yield failed(error)

    def sweep(self, prompts: Iterable[Prompt], questions: Sequence[str], *, options: AnswerOptions | None = None) -> Iterator[SweepEvent]:
        """Every question put to every document of the prompts alone, a request each: events with the document's id and the question's
        number from 0. What breaks one answer ends that one with a Failed and no other. Closing the iterator closes the requests."""
        works = each_document(prompts, questions, options or AnswerOptions())
        answers = ((key, partial(self.answer, asked.prompt, asked.question, options=asked.options)) for key, asked in works)
        with closing(side_by_side(answers, SWEEPS_AT_ONCE)) as events:
            for (document, number), event in events:
                yield document, number, event

    def _answer(self, prompt: Prompt, question: str, options: AnswerOptions) -> Iterator[AnswerEvent]:
        asked = Asked(prompt, question, options)
        prompt = asked.prompt
        hits = candidates(prompt, asked.bare, MOST_PASSAGES) if question.strip() else []
        yield from (asked.texts.located(place) for place in by_words(prompt, hits[: options.locate_chunks or LOCATE_CHUNKS]))
        asked.clock.located()
        if not question.strip() or not prompt.chunks:
            yield asked.done(FreeAnswer([], asked.texts), [], self.name, PASSAGES)
            return
        server = self._described()
        room = min(options.max_tokens or ANSWER_TOKENS, server.context // 4)
        space = int((server.context - room) * (1 - SPARE_SHARE)) - fixed_tokens(self.tokenizer, question)
        try:
            yield from self._read(asked, hits, server, space, room)
        except PromptTooLong as error:
            if not asked.sent_tokens:
                raise
            logger.warning("%s Trying with half as much.", error)
            yield from self._read(asked, hits, server, asked.sent_tokens // 2, room // 2)

    def _read(self, asked: Asked, hits: Sequence[LexicalHit], server: Server, space: int, room: int) -> Iterator[AnswerEvent]:
        """The answer, of at most `room` tokens, from at most `space` tokens of passages.

        Raises PromptTooLong, before any text, and ServerFailed.
        """
        mode, passages = asked.chosen(hits, space)
        if hits and not passages:
            raise no_room(self._connection.address)
        answer = FreeAnswer(passages, asked.texts)
        if passages:
            chat = messages(passages, asked.texts, self.tokenizer, asked.question)
            body = {"model": server.model, "messages": chat, "max_tokens": room, "temperature": 0.0}
            if server.salted:
                body["cache_salt"] = hashlib.blake2b(asked.prompt.salt.encode(), digest_size=16, person=b"longread-server").hexdigest()
            asked.sent(passages)
            with closing(completion(self._connection, body)) as pieces:
                yield from self._follow(asked, answer, pieces)
        yield asked.done(answer, passages, server.model, mode)

    def _follow(self, asked: Asked, answer: FreeAnswer, pieces: Iterator[str | Ended | None]) -> Iterator[AnswerEvent]:
        """The events of the pieces; once the model has said that the answer is not there, nothing more is waited for."""
        for piece in pieces:
            if piece is None:
                yield Token("")
            elif isinstance(piece, Ended):
                yield from answer.end(cut=piece.cut)
                if piece.cut and not answer.found:
                    raise no_answer(self._connection.address)
                self._log(piece.usage, asked.sent_tokens)
            else:
                asked.heard()
                for event in answer.feed(piece):
                    asked.clock.token()
                    yield event
            if answer.denied:
                return

    def _described(self) -> Server:
        """What the server says of itself, now or a moment ago."""
        if self._server is None or time.monotonic() > self._known_until:
            self._server = asyncio.run(describe(self._connection))
            self._known_until = time.monotonic() + KNOWN_SECONDS
        return self._server

    def _log(self, usage: ServerUsage, sent: int) -> None:
        """What the server says that it read. `sent`: how much there was to read, in our tokens."""
        host, read = self._connection.address.host, usage.prompt_tokens
        logger.info("%s read %s tokens, %s of them from its cache.", host, read, usage.cached_tokens)
        if read and read < CUT_SHARE * sent:
            warning = "%s read %d tokens of about %d; it may cut long prompts. Set LONGREAD_ENGINE_CONTEXT to what it reads."
            logger.warning(warning, host, read, sent)
