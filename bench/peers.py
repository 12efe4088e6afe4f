"""The engines that ours is measured beside, on the same weights and ids, and what all benchmarks say of them alike. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from bench.process import Figures
from bench.row import Row
from bench.trial import Trial
from bench.turns import Run

TRANSFORMERS, LLAMA_CPP = "transformers, bf16", "llama.cpp's wheel, Q4_1"


def contest(trial: Trial, for_peers: Trial) -> dict[str, Run]:
    """Ours as it is by default (`ours`) and in bf16 (`ours in bf16`), `transformers` and `llama.cpp`."""
    return {
        "ours": Run("bench.engines.ours", {"trial": trial.as_json(), "bf16": False}),
        "ours in bf16": Run("bench.engines.ours", {"trial": trial.as_json(), "bf16": True}),
        "transformers": Run("bench.engines.transformers_bf16", {"trial": for_peers.as_json()}, peer=True),
        "llama.cpp": Run("bench.engines.llama_cpp", {"trial": for_peers.as_json()}, peer=True),
    }


def type_of(ours: Figures) -> str:
    """In which type our matrix products were."""
    return "int8" if ours["int8"] else "bf16"


def rate_rows(name: str, key: str, found: Mapping[str, Figures]) -> list[Row]:
    """Our rate beside each peer's."""
    ours, transformers, llama_cpp = (found[run][key] for run in ("ours", "transformers", "llama.cpp"))
    return [Row(name, ours, "tokens/s", TRANSFORMERS, transformers), Row(name, ours, "tokens/s", LLAMA_CPP, llama_cpp)]


def peak_rows(name: str, found: Mapping[str, Figures]) -> list[Row]:
    """Each process's peak memory, the program itself included."""
    ours, transformers, llama_cpp = (found[run]["peak_mb"] for run in ("ours", "transformers", "llama.cpp"))
    return [Row(name, ours, "MB", TRANSFORMERS, transformers), Row(name, ours, "MB", LLAMA_CPP, llama_cpp)]


def figures(key: str, found: Mapping[str, Figures]) -> Figures:
    """Our rate, how many times each peer's it is, and the peaks of memory."""
    ours, transformers, llama_cpp = found["ours"], found["transformers"], found["llama.cpp"]
    return {
        "tokens_per_s": ours[key],
        "vs_transformers": ours[key] / transformers[key],
        "vs_llama_cpp": ours[key] / llama_cpp[key],
        "peak_mb": ours["peak_mb"],
        "transformers_peak_mb": transformers["peak_mb"],
        "llama_cpp_peak_mb": llama_cpp["peak_mb"],
    }
