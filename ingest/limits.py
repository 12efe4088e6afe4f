"""How much of a file is read, with the reason beside each number. Plain data; knows no setting and no request."""

from __future__ import annotations

from dataclasses import dataclass


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
    image_pixels: int = 12_000_000  # 1800 wide and as tall as three pages; 48 MB while it is drawn
    render_memory_bytes: int = 2_000_000_000  # a page of 600 dpi colour takes 150 MB; a hostile one wants all there is
    render_cpu_seconds: int = 20  # maps with a million strokes take 8; a loop takes for ever
    render_wall_seconds: int = 40  # twice the above, since other work shares the cores
