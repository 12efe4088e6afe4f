"""How a sentence is put to the model to read an answer out of it: worked examples in plain text, then the sentence and the question.

Plain text and not the chat format: asked in its chat format the untrained model begins a sentence of its own, and the words that it is
then allowed to take are next to random (docs/log.md, 2026-11-21). Knows no model. Imports no torch.
"""

from __future__ import annotations

from engine.prompt import TokenArray
from engine.tokenizer import Tokenizer

EXAMPLES = (
    ("The bridge was designed by Anna Keller and opened in 1932 after nine years of work.", "When did the bridge open?", "1932"),
    (
        "The tenant shall pay the rent of 900 euros on the first day of each month by bank transfer.",
        "When is the rent due?",
        "on the first day of each month",
    ),
    ("Members pay a yearly fee of 40 pounds, and guests are admitted on Sundays only.", "How much is the fee?", "40 pounds"),
    ("The museum keeps its oldest maps in a cellar because daylight fades the ink.", "Who keeps the maps?", "The museum"),
)
ENDS = ("\n", "\n\n")


def examples(tokenizer: Tokenizer) -> TokenArray:
    """The worked examples, up to where the next passage begins."""
    return tokenizer.encode("".join(f" {passage}\nQuestion: {question}\nAnswer: {answer}\n\n" for passage, question, answer in EXAMPLES))


def asking(tokenizer: Tokenizer, question: str) -> TokenArray:
    """What stands between the sentence and the answer."""
    return tokenizer.encode(f"\nQuestion: {' '.join(question.split())}\nAnswer:")


def ends(tokenizer: Tokenizer) -> list[int]:
    """Tokens that close an answer."""
    return [int(tokenizer.encode(mark)[0]) for mark in ENDS] + [tokenizer.special("<|endoftext|>")]
