"""Which font of this machine a PDF is set in: one that has most of the world's letters, where there is one. Knows file names only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
    Path("C:/Windows/Fonts"),
)
# Regular and bold, the widest coverage first.
FACES = (
    ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    ("NotoSerif-Regular.ttf", "NotoSerif-Bold.ttf"),
    ("Times New Roman.ttf", "Times New Roman Bold.ttf"),
    ("times.ttf", "timesbd.ttf"),
    ("LiberationSerif-Regular.ttf", "LiberationSerif-Bold.ttf"),
)
# For letters that the face has not.
FURTHER = ("DejaVuSans.ttf", "Arial Unicode.ttf", "NotoSansCJK-Regular.ttc", "NotoSansSC-Regular.otf", "wqy-microhei.ttc", "simsun.ttc")


@dataclass(frozen=True, slots=True)
class Face:
    regular: Path
    bold: Path
    further: tuple[Path, ...]


@cache
def face() -> Face | None:
    """None where this machine has none of them; then a PDF has the letters of western Europe."""
    files = {file.name: file for folder in FOLDERS if folder.is_dir() for file in folder.rglob("*.[to]t[fc]")}
    for regular, bold in FACES:
        if regular in files and bold in files:
            return Face(files[regular], files[bold], tuple(files[name] for name in FURTHER if name in files))
    return None
