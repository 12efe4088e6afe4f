"""What a process does that asks and reads prompts made here, one after another, so that a test can kill it in the middle."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

from engine.engine import Engine
from engine.events import AnswerOptions, Done, Located, Quote
from engine.prompt import Prompt
from tests.engine.prompts import make_prompt

PROMPTS = 20
TOWNS = ("Aalen", "Bergamo", "Cahors", "Delft", "Evora", "Falun", "Gouda", "Halle", "Imola", "Jena")
QUESTION = "Who founded the café in the old town?"


def bodies(number: int) -> list[str]:
    """Four paragraphs that no other number has."""
    town = TOWNS[number % len(TOWNS)]
    return [
        f"The café in {town} was founded in {1900 + number} by Zoë Müller, a baker from {TOWNS[number // len(TOWNS)]}.\n\n",
        f"The landlord of house {number} in {town} asks for {100 + number} euros a month, payable in advance, and may raise it yearly.\n\n",
        f"Guests of {town} like its old town, which burned down in {1500 + number}. Nobody knows who set the fire.\n\n",
        f"On Sundays the café opens at {number % 12 + 1} o'clock. Waiter number {number} never writes anything down.\n\n",
    ]


def prompt(engine: Engine, folder: Path, number: int) -> Prompt:
    return make_prompt(folder / str(number), engine.tokenizer, {f"guide {number}": bodies(number)})


def asked(engine: Engine, prompt: Prompt) -> list[object]:
    """What the answer says, but for its timings, and the places that it was found in."""
    events = list(engine.answer(prompt, QUESTION, options=AnswerOptions(threshold=0.0)))
    places = [(event.start_char, event.score) for event in events if isinstance(event, Located)]
    quotes = [(event.text, event.verified) for event in events if isinstance(event, Quote)]
    answers = [(event.answer, event.found, event.confidence) for event in events if isinstance(event, Done)]
    return [places, quotes, answers]


def run(told: Connection, model: Path, store: Path, folder: Path, numbers: list[int]) -> None:
    """Opens the model with a store; of each prompt it asks a question and then reads the rest ahead.

    It tells `open` when the model is there, and what each prompt gave."""
    engine = Engine.open(model, store, reading="spans")
    told.send("open")
    for number in numbers:
        one = prompt(engine, folder, number)
        answer = asked(engine, one)
        for _ in engine.prefill(one):
            pass
        told.send(answer)
    engine.close()
