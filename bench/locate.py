"""Questions over prompts of 100 K, 1 M and 10 M tokens: seconds to the first token, memory, and disk, beside words alone and numpy.

    cold        nothing of the prompt is stored: words find the chunks, and what is looked at is read first
    on demand   every token has its scan record, no chunk its state
    stored      every token has its scan record, and every chunk that the question looks at its state. The states of all chunks would take
                23 KB a token with the bundled model and change no figure: a question touches those it looks at and no other
    from disk   stored, in a fresh process, with nothing of the store in the system's page cache

The prompts are of bench.library: set LONGREAD_BENCH_TEXTS to folders or zip archives of plain text, else they are generated. They are made
once and kept in var/bench, with the scan records. LONGREAD_BENCH_INDEXED tokens (128,000) are indexed by the bundled model; beyond, records
stand in (bench.tiers). LONGREAD_BENCH_SIZES (100K,1M,10M) says which prompts.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from bench.facts import FACTS
from bench.library import Library
from bench.process import Figures, Request, measured
from bench.row import Measured, Row

SIZES = {"100K": 100_000, "1M": 1_000_000, "10M": 10_000_000}
INDEXED_TOKENS = 128_000
COLD_QUESTIONS = 2
WARM = FACTS[0].shared
QUESTIONS = [fact.shared for fact in FACTS[1:6]]


def run() -> Measured:
    """All measurements; a quarter of an hour the first time, most of it for texts and records, and some minutes after that."""
    library, sizes, real = Library.at_home(), chosen_sizes(SIZES), indexed_tokens()
    found = {name: of_size(library, tokens, real) for name, tokens in sizes.items()}
    say("rates")
    rates = measured("bench.indexing", {"library": str(library.folder), "tokens": min(sizes.values()), "rates": True})
    return told(found, rates, real)


def chosen_sizes(usual: Mapping[str, int]) -> Mapping[str, int]:
    """Those that LONGREAD_BENCH_SIZES names, else the usual ones. A name is a number of thousands or millions: 128K, 2M."""
    named = [name for name in os.environ.get("LONGREAD_BENCH_SIZES", "").split(",") if name]
    return {name: int(name[:-1]) * {"K": 1000, "M": 1_000_000}[name[-1]] for name in named} or usual


def indexed_tokens() -> int:
    return int(os.environ.get("LONGREAD_BENCH_INDEXED") or INDEXED_TOKENS)


def store_folder(library: Library, real: int) -> Path:
    """Records that stand in are never taken for indexed ones: another share of them has another store."""
    return library.folder / f"store-{real}"


def of_size(library: Library, tokens: int, real: int) -> dict[str, Figures]:
    """What each process found, by its name."""
    say(f"{tokens:,} tokens: texts and records")
    prompt = {"library": str(library.folder), "tokens": tokens}
    library.prompt(tokens)
    kept = prompt | {"store": str(store_folder(library, real))}
    filled = measured("bench.indexing", kept | {"real": min(real, tokens), "rates": False})
    found = {"filled": filled}
    with tempfile.TemporaryDirectory(prefix="longread-bench-") as empty:
        say("cold")
        found["cold"] = measured("bench.asking", prompt | {"store": empty, "questions": [WARM, *QUESTIONS[:COLD_QUESTIONS]]})
    all_of_them = kept | {"questions": [WARM, *QUESTIONS]}
    stored: dict[str, Request] = {
        "on demand": all_of_them | {"forget": True},
        "stored": all_of_them,
        "from disk": kept | {"questions": [WARM], "evict": True},
        "peers": all_of_them | {"peers": True},
    }
    for name, request in stored.items():
        say(name)
        found[name] = measured("bench.asking", request)
    return found


def told(found: Mapping[str, Mapping[str, Figures]], rates: Figures, real: int) -> Measured:
    """Rows and figures. A question's seconds are the median over all but each process's first, which also opens what it needs."""
    rows = [
        Row("prefill, index tier", rates["index_tokens_per_s"], "tokens/s", "both tiers", rates["state_tokens_per_s"]),
    ]
    figures: dict[str, float] = dict(rates)
    for size, of in found.items():
        figures |= {f"{size}.{name}": value for name, value in figures_of(of).items()}
        rows += rows_of(size, of, real)
    return Measured(rows, figures)


def figures_of(of: Mapping[str, Figures]) -> dict[str, float]:
    def typical(process: str, name: str, questions: int = len(QUESTIONS)) -> float:
        return median(of[process][f"{name}_{number}"] for number in range(1, questions + 1))

    return {
        "tokens": of["filled"]["tokens"],
        "indexed_tokens": of["filled"]["indexed_tokens"],
        "first_token_s": typical("stored", "first_token_s"),
        "first_token_worst_s": max(of["stored"][f"first_token_s_{number}"] for number in range(1, len(QUESTIONS) + 1)),
        "first_token_on_demand_s": typical("on demand", "first_token_s"),
        "first_token_cold_s": typical("cold", "first_token_s", COLD_QUESTIONS),
        "first_question_s": of["stored"]["first_token_s_0"],
        "first_question_from_disk_s": of["from disk"]["first_token_s_0"],
        "locate_s": typical("stored", "locate_s"),
        "disk_mb": typical("stored", "disk_mb"),
        "disk_from_disk_mb": of["from disk"]["disk_mb_0"],
        "peak_mb": of["stored"]["peak_mb"],
        "on_demand_peak_mb": of["on demand"]["peak_mb"],
        "cold_peak_mb": of["cold"]["peak_mb"],
        **{name: value for name, value in of["peers"].items() if name != "peak_mb"},
    }


def rows_of(size: str, of: Mapping[str, Figures], real: int) -> list[Row]:
    figures, peers = figures_of(of), of["peers"]
    stand_ins = "" if figures["indexed_tokens"] >= figures["tokens"] else f", {size_name(real)} indexed, others stood in for"
    rows = [
        Row(
            f"{size}: first token, stored{stand_ins}",
            figures["first_token_s"] * 1e3,
            "ms",
            "words alone, no answer",
            peers["words_s"] * 1e3,
        ),
        Row(f"{size}: first token, on demand", figures["first_token_on_demand_s"] * 1e3, "ms"),
        Row(f"{size}: first token, cold", figures["first_token_cold_s"] * 1e3, "ms"),
        Row(f"{size}: first question from disk", figures["first_question_from_disk_s"] * 1e3, "ms"),
        Row(f"{size}: disk read for it", figures["disk_from_disk_mb"], "MB"),
        Row(f"{size}: disk read for a question", figures["disk_mb"], "MB"),
        Row(f"{size}: peak memory of a question", figures["peak_mb"], "MB"),
    ]
    if "numpy_s" in peers:
        rows.append(Row(f"{size}: scan of every token", peers["scan_s"] * 1e3, "ms", "numpy, fp32 in memory", peers["numpy_s"] * 1e3))
    else:
        rows.append(Row(f"{size}: scan of every token", peers["scan_s"] * 1e3, "ms"))
    return rows


def size_name(tokens: int) -> str:
    return f"{tokens // 1_000_000} M" if tokens >= 1_000_000 else f"{tokens // 1000} K"


def say(what: str) -> None:
    print(f"locate: {what}", file=sys.stderr)
