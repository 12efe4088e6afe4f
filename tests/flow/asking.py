"""A process that asks and reads prompts made here, one after another, so that a test can kill it in the middle.

`python -m tests.flow.asking MODEL STORE FOLDER [NUMBER]` opens the model with a store; of each prompt, or of the one of that number, it
asks a question and then reads the rest ahead. It says `open` when the model is there, and what each prompt gave as a line of JSON.
"""

from __future__ import annotations

import json
import sys
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


def main(model: Path, store: Path, folder: Path, numbers: list[int]) -> None:
    engine = Engine.open(model, store, reading="spans")
    print("open", flush=True)
    for number in numbers:
        one = prompt(engine, folder, number)
        answer = asked(engine, one)
        for _ in engine.prefill(one):
            pass
        print(json.dumps(answer), flush=True)
    engine.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), [int(number) for number in sys.argv[4:]] or list(range(PROMPTS)))
