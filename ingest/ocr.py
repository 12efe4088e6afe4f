"""The process that reads pages from their pictures (`python -m ingest.ocr SOURCE PIXELS SECONDS`): ingest.scans starts and asks it.

It is started by a process under limits and has them too; a page that takes too long ends it, and nothing else. One JSON object a line:

    in     {"page"}                                counted from 1
    out    {"lines", "turn", "confidence"}         ingest.page_lines
           {"damaged"}                             the page cannot be drawn
           {"broke", "traceback"}                  nobody foresaw this

It ends with its input, and by itself when its processor time is too short for another page.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

from ingest.errors import IngestError
from ingest.page_lines import plain
from ingest.pictures import Pictures, open_pictures
from ingest.recognising import Recogniser

_TRACEBACK_CHARS = 4_000
_POINTS_PER_INCH = 72
_DPI = 200  # letters of 8 points are as tall as the models were trained with
_PIXELS = 8_000_000  # A3 at 200 dpi; a larger page is drawn smaller
_LEAST_WIDE = 1_200  # pixels, for a page that says it is as small as a stamp


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ingest.ocr")
    parser.add_argument("source", type=Path)
    parser.add_argument("picture_pixels", type=int)
    parser.add_argument("cpu_seconds", type=int)
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries write what they think of a file
    recogniser = Recogniser()
    with open_pictures(arguments.source, arguments.picture_pixels) as pictures:
        for line in sys.stdin:
            if not _has_time(arguments.cpu_seconds):
                return
            answers.write(json.dumps(_said(recogniser, pictures, json.loads(line)["page"])) + "\n")
            answers.flush()


def _has_time(seconds: int) -> bool:
    """Limits the next page to so many seconds of processor time; False if less than that is left of this process's."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + 1 + seconds
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    if most not in (resource.RLIM_INFINITY, -1) and until > most:
        return False
    resource.setrlimit(resource.RLIMIT_CPU, (until, most))
    return True


def _said(recogniser: Recogniser, pictures: Pictures, page: int) -> dict[str, Any]:
    try:
        width, _ = pictures.size(page)
        return plain(recogniser.read(pictures.draw(page, max(_LEAST_WIDE, width * _DPI / _POINTS_PER_INCH), _PIXELS)))
    except IngestError as error:
        return {"damaged": str(error)}
    except Exception as error:
        return {"broke": type(error).__name__, "traceback": traceback.format_exc()[-_TRACEBACK_CHARS:]}


if __name__ == "__main__":
    main()
