"""Located chunks read by the reading head: which of them answers the question, and with which words.

It takes what the model already computed when it looked at the chunks: their state, and that of the question after each. So nothing is
read once more, and the words of an answer are there as soon as the chunks are in order. Knows no events.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.chat_format import Asked
from engine.model.reading_head import Reading, ReadingHead, Seen, best_span
from engine.places import Place
from engine.prompt import TokenArray
from engine.read import Sentence, overlap, stems_of
from engine.sentences import sentences
from engine.shared_words import SharedWords
from engine.span import Body
from engine.tokenizer import Tokenizer

LEAST = -12.0  # nats: less mass than that is as good as none


@dataclass(frozen=True, slots=True)
class ReadPlace:
    """A place and what the head made of it; `odds`: log-odds that it answers, with what words and scan say of it."""

    place: Place
    reading: Reading
    odds: float


class HeadReader:
    """One model's reading head. For the engine's thread."""

    def __init__(self, head: ReadingHead, tokenizer: Tokenizer) -> None:
        self._head, self._tokenizer, self._words = head, tokenizer, SharedWords(tokenizer)

    @torch.inference_mode()
    def read(self, place: Place, cache: KVCache, asked: Asked) -> ReadPlace:
        """`cache` holds the chunk at its end, and after it the question: `asked` up to its answer's opening."""
        chunk, layers = place.chunk, self._head.shape.layers
        values = cache.values(layers, cache.length - len(asked.ids) - len(chunk.ids))
        words: TokenArray = asked.ids[asked.first : asked.end]
        shared = torch.from_numpy(self._words.marked(chunk.ids, words))
        own, question = values[: len(chunk.ids)], values[len(chunk.ids) + asked.first :]
        reading = self._head(Seen(own, question, shared.to(values.device), chunk.header_tokens, len(words)))
        attention = place.assumed if place.attention is None else place.attention
        odds = self._head.weights.odds(float(reading.answers), place.lexical, attention, place.likelihood or 0.0)
        return ReadPlace(replace(place, odds=odds), reading, odds)

    def sentences(self, read: ReadPlace, text: str, question: str) -> list[Sentence]:
        """Those of the chunk's body, which is `text`, in order."""
        body, stems = self._body(read, text), stems_of(question)
        found = []
        for start, end in sentences(text):
            share = overlap(text[start:end], stems)
            found.append(Sentence(read.place, text, start, end, share, mass=mass(read.reading, body, start, end)))
        return found

    def score(self, sentence: Sentence) -> float:
        """Higher is better; comparable between the sentences of one question."""
        features = sentence.likelihood, sentence.overlap, sentence.mass, sentence.place.odds or 0.0
        return sum(weight * value for weight, value in zip(self._head.weights.sentence, features, strict=True))

    def answer(self, read: ReadPlace, sentence: Sentence, most: int) -> str:
        """The best words of the chunk's sentence, `most` tokens at most, on one line, without the comma that goes on after them."""
        body = self._body(read, sentence.text)
        inside = within(body, sentence.start, sentence.end)
        starts, ends = torch.from_numpy(body.starts[:-1]) & inside, torch.from_numpy(body.ends[1:]) & inside
        first, last, _ = best_span(read.reading, starts, ends, most)
        start, end = body.trimmed(first, last + 1)
        return " ".join(sentence.text[max(start, sentence.start) : min(end, sentence.end)].split()).rstrip(",;:")

    def _body(self, read: ReadPlace, text: str) -> Body:
        return Body.of(read.place.chunk.body, text, self._tokenizer.byte_lengths)


def mass(reading: Reading, body: Body, start: int, end: int) -> float:
    """Log-probability that the answer begins, and that it ends, between these characters of the body."""
    inside = within(body, start, end)
    return max(LEAST, float(reading.starts[inside].logsumexp(0) + reading.ends[inside].logsumexp(0)))


def within(body: Body, start: int, end: int) -> Tensor:
    """[n]: the body's tokens of which a character stands between these."""
    return torch.from_numpy((body.offsets[1:] > start) & (body.offsets[:-1] < end))
