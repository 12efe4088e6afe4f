"""`python -m bench.rasterise QA_SET OUT [--dpi 150] [--limit N]`: the same QA set with every PDF as a scan.

So `./run evaluate` asks both. A page becomes one grey picture of its size and nothing else. Questions, and documents that are no PDF, are
copied. With a limit the first N documents are made, and only the questions about them are kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pypdfium2 as pdfium
from fpdf import FPDF

_POINTS_PER_INCH = 72


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.rasterise", description=__doc__)
    parser.add_argument("set", type=Path, metavar="QA_SET")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--dpi", type=int, default=150)
    parser.add_argument("--limit", type=int, help="so many documents")
    arguments = parser.parse_args()
    names = kept(arguments.set, arguments.limit)
    (arguments.out / "documents").mkdir(parents=True)
    pages = 0
    for name in names:
        source, target = arguments.set / "documents" / name, arguments.out / "documents" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix.lower() == ".pdf":
            pages += rasterise(source, target, arguments.dpi)
        else:
            shutil.copyfile(source, target)
    lines = [line for line in _questions(arguments.set) if arguments.limit is None or _is_about(line, names)]
    (arguments.out / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    print(f"{len(names):,} documents, {pages:,} pages at {arguments.dpi} dpi, {len(lines):,} questions")
    return 0


def kept(folder: Path, limit: int | None) -> list[str]:
    """The documents' names, in order."""
    root = folder / "documents"
    return [path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file()][:limit]


def rasterise(source: Path, target: Path, dpi: int) -> int:
    """Writes a PDF of pictures; gives its pages."""
    made = FPDF(unit="pt")
    made.set_auto_page_break(False)
    document = pdfium.PdfDocument(source)
    for page in document:
        width, height = page.get_size()
        made.add_page(format=(width, height))
        made.image(page.render(scale=dpi / _POINTS_PER_INCH, grayscale=True).to_pil(), x=0, y=0, w=width, h=height)
    made.output(str(target))
    return len(document)


def _questions(folder: Path) -> list[dict[str, Any]]:
    with (folder / "questions.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def _is_about(question: dict[str, Any], names: Sequence[str]) -> bool:
    return question["documents"] is not None and set(question["documents"]) <= set(names)


if __name__ == "__main__":
    sys.exit(main())
