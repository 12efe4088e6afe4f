"""tar archives and packed files, friendly and hostile: by the rules of ZIP."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.archive import Member, expand
from ingest.errors import FileRefused, LimitExceeded
from ingest.limits import Limits
from ingest.packed import LINK, NO_FILE
from ingest.parsers.registry import is_archive
from ingest.skipping import Reason

Fill = Callable[[tarfile.TarFile], object]
PACKED = {"tar": bytes, "tar.gz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return folder


def put(archive: tarfile.TarFile, name: str, content: bytes = b"x = 1\n", **said: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in said.items():
        setattr(info, field, value)
    archive.addfile(info, io.BytesIO(content))


def tarred(fill: Fill, form: int = tarfile.PAX_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        fill(archive)
    return target.getvalue()


def members(content: bytes, into: Path, name: str = "code.tar", limits: Limits | None = None) -> dict[str, Member]:
    source = into.parent / "original"
    source.write_bytes(content)
    assert is_archive(source, name)
    return {member.path: member for member in expand(source, name, into, limits or Limits())}


def read(found: dict[str, Member], path: str) -> bytes:
    file = found[path].file
    assert file is not None
    return file.read_bytes()


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_it_unpacks_what_tar_packs(into: Path, ending: str, form: int) -> None:
    long = "a/" * 60 + "längst.py"
    content = random.Random(1).randbytes(200_000).hex().encode()

    def fill(archive: tarfile.TarFile) -> None:
        put(archive, "./src/fees.py", b"x = 1")
        put(archive, long if form != tarfile.USTAR_FORMAT else "laengst.py", content)
        put(archive, "empty/", b"", type=tarfile.DIRTYPE)

    found = members(PACKED[ending](tarred(fill, form)), into, f"code.{ending}")
    assert read(found, "src/fees.py") == b"x = 1"
    assert read(found, long if form != tarfile.USTAR_FORMAT else "laengst.py") == content
    assert len(found) == 2
    assert all(path.parent == into and path.name.isdigit() for path in into.iterdir())


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_text_that_is_packed_alone_is_one_member(into: Path, ending: str, pack: Callable[[bytes], bytes]) -> None:
    found = members(pack(b"first\n") + pack(b"second\n"), into, f"log.txt.{ending}")
    assert read(found, "log.txt") == b"first\nsecond\n"


@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/etc/evil", "..\\evil.txt", "C:\\evil.txt"])
def test_it_refuses_an_archive_that_points_outside_before_it_unpacks_anything(into: Path, name: str) -> None:
    with pytest.raises(FileRefused, match="evil"):
        members(tarred(lambda archive: (put(archive, "good.txt"), put(archive, name))), into)
    assert not list(into.iterdir())


def test_it_follows_no_link_and_makes_no_device(into: Path) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        put(archive, "soft", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        put(archive, "hard", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd")
        put(archive, "soft/x.py")
        for number, kind in enumerate((tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)):
            put(archive, f"device{number}", b"", type=kind)

    found = members(tarred(fill), into)
    assert {path: member.skipped for path, member in found.items()} == {
        "soft": LINK,
        "hard": LINK,
        "soft/x.py": None,
        "device0": NO_FILE,
        "device1": NO_FILE,
        "device2": NO_FILE,
    }
    assert [path.is_file() and not path.is_symlink() for path in into.iterdir()] == [True]


@pytest.mark.parametrize("ending", ["tar.gz", "tar.bz2", "tar.xz"])
def test_it_stops_a_bomb_while_it_unpacks(into: Path, ending: str) -> None:
    content = PACKED[ending](tarred(lambda archive: put(archive, "zeros.txt", bytes(50_000_000))))
    with pytest.raises(LimitExceeded, match=r"unpacks to more than 200 times"):
        members(content, into, f"bomb.{ending}")
    assert sum(path.stat().st_size for path in into.iterdir()) < 20_000_000


def test_it_counts_bytes_and_entries_of_all_together(into: Path) -> None:
    content = tarred(lambda archive: [put(archive, f"{number}.txt", b"x" * 500) for number in range(4)])
    with pytest.raises(LimitExceeded, match=r"unpacks? to more than"):
        members(content, into, limits=Limits(archive_bytes=1_200))
    with pytest.raises(LimitExceeded, match="looked through"):
        members(content, into, limits=Limits(archive_read_bytes=1_200))
    for limits in (Limits(archive_entries=3), Limits(archive_listed=3)):
        for file in into.iterdir():
            file.unlink()
        with pytest.raises(LimitExceeded, match=r"too many (files|entries)"):
            members(content, into, limits=limits)


def test_it_opens_archives_in_an_archive_as_deep_as_is_said(into: Path) -> None:
    innermost = tarred(lambda archive: put(archive, "deep.py"))
    inner = tarred(lambda archive: (put(archive, "lib/a.py", b"a = 1\n"), put(archive, "more.tar", innermost)))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("inner.tgz", gzip.compress(inner))
        archive.writestr("evil.tar", tarred(lambda archive: put(archive, "../evil.py")))
        archive.writestr("b.py", "b = 1\n")
    found = members(zipped.getvalue(), into, "delivery.zip")
    assert read(found, "inner.tgz/lib/a.py") == b"a = 1\n"
    assert {path for path, member in found.items() if member.file} == {"inner.tgz/lib/a.py", "b.py"}
    reasons = {path: member.skipped.reason for path, member in found.items() if member.skipped}
    assert reasons == {"inner.tgz/more.tar": Reason.NESTED, "evil.tar": Reason.DAMAGED}
    assert len(list(into.iterdir())) == 2


def test_nested_archives_share_one_budget(into: Path) -> None:
    inner = tarred(lambda archive: put(archive, "a.txt", b"x" * 900))
    content = tarred(lambda archive: [put(archive, f"{number}.tar", inner) for number in range(3)])
    with pytest.raises(LimitExceeded, match=r"unpacks? to more than"):
        members(content, into, limits=Limits(archive_bytes=2 * len(inner)))


def test_a_damaged_archive_is_refused_and_never_taken_for_a_short_one(into: Path) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        put(archive, "a.py", b"a" * 700)
        put(archive, "b.py", b"b" * 700)

    whole = tarred(fill)
    second = whole.index(b"b.py")
    for harmed in (whole[: second + 700], whole[:1000], whole[:second] + b"\xff" * 200 + whole[second + 200 :]):
        for content in (harmed, gzip.compress(harmed)):
            with pytest.raises(FileRefused, match="damaged"):
                members(content, into)
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        packed = pack(whole)
        with pytest.raises(FileRefused, match="damaged"):
            members(packed[: len(packed) // 2], into)
    assert not [path for path in into.iterdir() if path.stat().st_size > 700]


def test_a_header_may_not_claim_more_than_headers_hold(into: Path) -> None:
    """A name of 300 MB, packed to some hundred KB, and a size below nought, which led tarfile in circles."""
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 300_000_000
    start = random.Random(1).randbytes(2_000_000)
    with pytest.raises(FileRefused, match="damaged"):
        members(name.tobuf() + start, into)
    negative = bytearray(tarred(lambda archive: put(archive, "a.py", b"")))
    negative[124:136] = b"\xff" * 11 + b"\x00"
    negative[148:156] = b"%06o\x00 " % (sum(negative[:148]) + 8 * 32 + sum(negative[156:512]))
    with pytest.raises(FileRefused, match="damaged"):
        members(bytes(negative), into)


def test_xz_takes_no_more_memory_than_it_is_given(into: Path) -> None:
    content = lzma.compress(tarred(lambda archive: put(archive, "a.py")))
    with pytest.raises(LimitExceeded, match=r"more than 1\.0 MB of memory, the most\. Pack it again with less compression"):
        members(content, into, "code.tar.xz", Limits(archive_memory_bytes=1_000_000))
    assert read(members(content, into, "code.tar.xz"), "a.py") == b"x = 1\n"


def test_a_document_in_a_tar_is_not_taken_for_the_tar(into: Path) -> None:
    found = members(tarred(lambda archive: put(archive, "first.pdf", b"%PDF-1.4\nnot much")), into)
    assert read(found, "first.pdf") == b"%PDF-1.4\nnot much"


def test_unpacking_ends_when_its_time_is_over(into: Path) -> None:
    limits = replace(Limits(), parsing=replace(Limits().parsing, wall_seconds=-60))
    with pytest.raises(LimitExceeded, match="takes more than -60 seconds"):
        members(tarred(lambda archive: put(archive, "a.py")), into, limits=limits)
