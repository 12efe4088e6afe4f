"""How fast files become prompts that can be asked, and what memory that takes: PDFs that were born digital, text, and code, beside what
others need for the bare text alone; and how long a scanned page takes. The files are those of `--files FOLDER`, or the samples
multiplied (bench.files).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from bench.files import File, Files, chosen, contract_of
from bench.process import Figures, measured
from bench.rasterise import rasterise
from bench.row import Measured, Row
from bench.scans import picked, reading, time_row

CORES = os.cpu_count() or 1
PEERS = ("pypdfium2", "pypdf", *(["markitdown"] if find_spec("markitdown") else []))
PAGES = 300  # of PDFs
FEW_PAGES = 40  # for a peer that reads two or three a second
SLOW = "markitdown"
SCANNED_PAGES, SCAN_DPI = 8, 150
SHORT, LONG = 20, 200  # copies of the sample contract, of eight pages each


def run() -> Measured:
    """All measurements, in a minute or two."""
    with chosen() as files:
        pdfs, few = files.of_pages(PAGES), files.of_pages(FEW_PAGES)
        found = {
            **({"pdf": contest(pdfs, {peer: few if peer == SLOW else pdfs for peer in PEERS})} if pdfs else {}),
            **({"text": contest(files.texts, {"tokenizer": files.texts})} if files.texts else {}),
            **({"code": contest(files.code, {"tokenizer": files.code})} if files.code else {}),
        }
        scanned = scans(files) if files.pdfs else Measured([], {})
    said = told(found, memory())
    return Measured(said.rows + scanned.rows, said.figures | scanned.figures)


def contest(files: Sequence[File], peers: Mapping[str, Sequence[File]]) -> dict[str, Figures]:
    """Figures by who: `ours` on all cores (a process each), `ours alone` on one, and each peer on one."""
    peer_runs = {peer: measured("bench.readers.peers", request(theirs, reader=peer)) for peer, theirs in peers.items()}
    return {"ours": together(files), "ours alone": measured("bench.readers.ours", request(files)), **peer_runs}


def together(files: Sequence[File]) -> Figures:
    """The files dealt to as many processes as there are cores; the slowest says when all was done."""
    hands = dealt(files, CORES)
    with ThreadPoolExecutor(len(hands)) as threads:
        found = list(threads.map(lambda hand: measured("bench.readers.ours", request(hand)), hands))
    longest = max(figures["seconds"] for figures in found)
    return {name: sum(figures[name] for figures in found) for name in found[0]} | {"seconds": longest}


def dealt(files: Sequence[File], hands: int) -> list[list[File]]:
    """The largest first, each to the hand that holds the least."""
    held: list[list[File]] = [[] for _ in range(min(hands, len(files)))]
    sizes = [0] * len(held)
    for file in sorted(files, key=lambda file: file.path.stat().st_size, reverse=True):
        least = sizes.index(min(sizes))
        held[least].append(file)
        sizes[least] += file.path.stat().st_size
    return held


def memory() -> dict[str, Figures]:
    """Ours with a document of few pages and one of many."""
    with tempfile.TemporaryDirectory() as folder:
        short, long = (File(f"{copies}.pdf", contract_of(copies, Path(folder) / str(copies))) for copies in (SHORT, LONG))
        return {name: measured("bench.readers.ours", request([file])) for name, file in (("few", short), ("many", long))}


def scans(files: Files) -> Measured:
    """Seconds a page of pages drawn as pictures, loading the models included. How well they are read is another benchmark (bench.scans)."""
    with tempfile.TemporaryDirectory() as root:
        scan = Path(root) / "scan.pdf"
        rasterise(picked(files, SCANNED_PAGES, Path(root) / "pages.pdf"), scan, SCAN_DPI)
        ours, alone, peer = reading(scan, "ours", CORES), reading(scan, "ours", 1), reading(scan, "rapidocr", CORES)
    rows = [time_row(f"scan to text, a page, {CORES} cores", ours, peer), time_row("scan to text, a page, one core", alone, peer)]
    seconds = {"all_cores": ours, "one_core": alone, "rapidocr": peer}
    return Measured(rows, {f"scan.{who}.seconds_a_page": read.seconds_a_page for who, read in seconds.items()})


def request(files: Sequence[File], **more: str) -> dict[str, object]:
    return {"files": [(file.name, str(file.path)) for file in files], **more}


def told(found: Mapping[str, Mapping[str, Figures]], peaks: Mapping[str, Figures]) -> Measured:
    """Rows and figures from what each run found. Pages and tokens count what was read to the end."""
    rows: list[Row] = []
    figures: Figures = {}
    for kind, contested in found.items():
        unit, scale = ("pages/s", 1.0) if kind == "pdf" else ("M tokens/min", 60e-6)
        rates = {who: rate(of, "pages" if kind == "pdf" else "tokens") * scale for who, of in contested.items()}
        ours, alone = rates.pop("ours"), rates.pop("ours alone")
        rows.append(Row(f"{kind} to prompt, {CORES} cores", ours, unit, "ours, one core", alone))
        rows += [Row(f"{kind} to prompt, one core", alone, unit, f"{peer}, one core", theirs) for peer, theirs in rates.items()]
        figures |= {f"{kind}.all_cores": ours, f"{kind}.one_core": alone} | {f"{kind}.{peer}": theirs for peer, theirs in rates.items()}
        figures |= {f"{kind}.refused": contested["ours"]["refused"]}
        for peer in (peer for peer in rates if peer != SLOW):
            rows.append(Row(f"{kind} to prompt, peak memory", total(contested["ours alone"]), "MB", peer, contested[peer]["peak_mb"]))
    few, many = peaks["few"], peaks["many"]
    for process, peak in (("worker", "peak_mb"), ("process that parses", "parser_mb")):
        rows.append(Row(f"{many['pages']:,.0f} pages, {process}", many[peak], "MB", f"ours, {few['pages']:,.0f} pages", few[peak]))
    growth = (total(many) - total(few)) / (many["pages"] - few["pages"]) * 1024
    rows.append(Row("more memory for each more page", growth, "KB"))
    return Measured(rows, figures | {"peak_mb": total(many), "growth_kb_a_page": growth})


def rate(figures: Figures, what: str) -> float:
    return figures[what] / figures["seconds"]


def total(figures: Figures) -> float:
    return figures["peak_mb"] + figures["parser_mb"]
