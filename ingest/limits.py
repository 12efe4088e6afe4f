"""How much of a file is read, with the reason beside each number. Plain data; knows no setting and no request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process that handles one file may take (ingest.confined). `memory_bytes` is address space, libraries included."""

    memory_bytes: int
    cpu_seconds: int
    wall_seconds: int
    written_bytes: int  # the largest file that it may write


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on what one upload may cost. Units are in the names."""

    file_bytes: int = 200_000_000  # the largest scanned books that people have are near 150 MB
    pages: int = 5_000  # a code of law in one volume; above it the file is a collection and reads better in parts
    line_chars: int = 1_000_000  # prose and code stay far below; one line of 30 MB is data, not text
    text_chars: int = 60_000_000  # about 15 million tokens: past the longest prompt that the engine is measured with
    archive_entries: int = 20_000  # a large repository without its vendored folders has about 10,000 files
    archive_directory_bytes: int = 16_000_000  # 20,000 entries with long paths; read into memory before the first entry is seen
    archive_bytes: int = 1_000_000_000  # unpacked, all entries together: what one upload may take of the disk
    archive_ratio: int = 200  # text packs 3 to 20 times, long logs 100; a bomb packs 1,000 times
    archive_nesting: int = 1  # an archive in an archive is listed, not opened
    package_bytes: int = (
        200_000_000  # XML inside an office file, unpacked: a book of 5,000 pages has 60 MB; its tree takes ten times as much
    )
    image_pixels: int = 12_000_000  # 1800 wide and as tall as three pages; 48 MB while it is drawn
    parsing: Cost = Cost(
        memory_bytes=2_500_000_000,  # the longest text that is read takes 1 GB, a book of 5,000 pages 500 MB; a bomb wants all there is
        cpu_seconds=300,  # 5,000 pages of maps at 60 ms each; a loop takes for ever
        wall_seconds=1_200,  # four times the above, since other work shares the cores
        written_bytes=500_000_000,  # the longest text in a script of three bytes a letter takes 180 MB, the boxes of its words 360 MB
    )
    drawing: Cost = Cost(
        memory_bytes=2_000_000_000,  # a page of 600 dpi colour takes 150 MB
        cpu_seconds=20,  # maps with a million strokes take 8
        wall_seconds=40,  # twice the above
        written_bytes=100_000_000,  # no picture of that many pixels has more
    )
