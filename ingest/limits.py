"""How much of a file is read, with the reason beside each number. Plain data; who reads the settings is ingest.limit_settings."""

from __future__ import annotations

from dataclasses import dataclass, replace


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
    tokens: int = 20_000_000  # the above in a language of which a token holds less; 10 hours of the bundled model's reading ahead
    archive_entries: int = 20_000  # a large repository without its vendored folders has about 10,000 files
    archive_directory_bytes: int = 16_000_000  # 100,000 entries with long paths; read into memory before the first entry is seen
    archive_bytes: int = 1_000_000_000  # unpacked, all entries together: what one upload may take of the disk
    archive_memory_bytes: int = 256_000_000  # xz at its strongest ordinary setting takes 65 MB; a hostile one asks for gigabytes
    archive_ratio: int = 200  # text packs 3 to 20 times, long logs 100; a bomb packs 1,000 times
    archive_listed: int = 100_000  # entries with those that are left out: the packages that a large web application has lying in it
    archive_read_bytes: int = 4_000_000_000  # unpacked with what is left out, which a tar has to be read over: half a minute
    archive_nesting: int = 2  # a delivery is an archive of archives; what is deeper is listed, not opened
    package_bytes: int = (
        200_000_000  # XML inside an office file, unpacked: a book of 5,000 pages has 60 MB; its tree takes ten times as much
    )
    image_pixels: int = 12_000_000  # 1800 wide and as tall as three pages; 48 MB while it is drawn
    picture_pixels: int = 100_000_000  # of a picture file's page: A3 scanned at 600 dpi has 70 million; 300 MB while it is read
    ocr_processes: int = 2  # pages read at once, each on a core and with 600 MB; 0: no page is read by OCR
    ocr_cpu_seconds: int = 60  # of one page: dense pages of contracts took up to 10
    ocr_seconds: int = 240  # of one page: four times the above, since other work shares the cores
    parsing: Cost = Cost(
        memory_bytes=2_500_000_000,  # the longest text that is read takes 1 GB, a PDF of 5,000 pages 200 MB; a bomb wants all there is
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

    @property
    def unlocking(self) -> Cost:
        """Somebody waits for it as for a page; 200 MB take 2 seconds. The copy of a file may be longer than the file."""
        return replace(self.drawing, written_bytes=2 * self.file_bytes + 10_000_000)
