"""ZIP archives, friendly and hostile."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ingest.archive import Member, expand
from ingest.errors import FileRefused, LimitExceeded
from ingest.limits import Limits
from ingest.packed import DAMAGED, LINK
from ingest.skipping import Reason
from tests.ingest.test_picture_files import encoded


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return folder


def packed(tmp_path: Path, fill: Callable[[zipfile.ZipFile], object]) -> Path:
    source = tmp_path / "original"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        fill(archive)
    return source


def members(source: Path, into: Path, limits: Limits | None = None) -> dict[str, Member]:
    return {member.path: member for member in expand(source, "code.zip", into, limits or Limits())}


def test_it_unpacks_under_names_of_its_own(tmp_path: Path, into: Path) -> None:
    found = members(packed(tmp_path, lambda archive: archive.writestr("src/fees.py", "x = 1")), into)
    file = found["src/fees.py"].file
    assert file is not None
    assert file.read_text() == "x = 1"
    assert file.parent == into
    assert "fees" not in file.name


@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/etc/evil", "..\\evil.txt", "C:\\evil.txt"])
def test_it_refuses_an_archive_that_points_outside(tmp_path: Path, into: Path, name: str) -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        archive.writestr("good.txt", "good")
        archive.writestr(name, "evil")

    before = sorted(tmp_path.rglob("*"))
    source = packed(tmp_path, fill)
    with pytest.raises(FileRefused, match="evil"):
        members(source, into)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, source])


def test_it_follows_no_link(tmp_path: Path, into: Path) -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("link/x.txt", "x")

    found = members(packed(tmp_path, fill), into)
    assert found["link"].skipped == LINK
    assert not any(path.is_symlink() for path in into.iterdir())


def test_it_stops_a_bomb_while_it_unpacks(tmp_path: Path, into: Path) -> None:
    source = packed(tmp_path, lambda archive: archive.writestr("zeros.txt", bytes(50_000_000)))
    with pytest.raises(LimitExceeded, match=r"'zeros\.txt' unpacks to more than 200 times"):
        members(source, into)
    assert sum(path.stat().st_size for path in into.iterdir()) < 12_000_000


def test_it_counts_what_comes_out_of_all_entries_together(tmp_path: Path, into: Path) -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        for number in range(3):
            archive.writestr(f"{number}.txt", "x" * 500)

    with pytest.raises(LimitExceeded, match="unpacks to more than"):
        members(packed(tmp_path, fill), into, Limits(archive_bytes=1_200))


def test_it_refuses_too_many_entries(tmp_path: Path, into: Path) -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        for number in range(4):
            archive.writestr(f"{number}.txt", "x")

    source = packed(tmp_path, fill)
    with pytest.raises(LimitExceeded, match="too many files"):
        members(source, into, Limits(archive_entries=3))
    with pytest.raises(LimitExceeded, match="too many entries"):
        members(source, into, Limits(archive_listed=3))
    with pytest.raises(LimitExceeded, match="list of this archive's entries"):
        members(source, into, Limits(archive_directory_bytes=100))


def test_it_lists_what_it_does_not_read_with_the_reason(tmp_path: Path, into: Path) -> None:
    names = ["web/node_modules/a.js", "a.min.js", "poetry.lock", "logo.png", "inner.7z", "main.py"]

    def fill(archive: zipfile.ZipFile) -> None:
        for name in names:
            archive.writestr(name, "x")
        archive.writestr("empty.txt", "")

    found = members(packed(tmp_path, fill), into)
    assert {path for path, member in found.items() if member.file} == {"main.py"}
    assert all(member.skipped for path, member in found.items() if path != "main.py")


def picture(width: int = 400, height: int = 300) -> bytes:
    return encoded(Image.new("L", (width, height)), "PNG")


def zipped(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


SCANS = {"scans/1.png": picture(), "scans/2.tif": encoded(Image.new("L", (9, 9)), "TIFF"), "scans/icon.png": picture(64, 64)}
REPOSITORY = {"repo/a.py": b"x = 1", "repo/docs/shot.png": picture()}


def read_of(tmp_path: Path, into: Path, files: dict[str, bytes], *, is_tracked: bool = False) -> set[str]:
    """The paths that are read. Of each picture that is not it is said why."""
    source = tmp_path / "original"
    source.write_bytes(zipped(files))
    found = list(expand(source, "case.zip", into, Limits(), is_tracked=is_tracked))
    assert {member.skipped.reason for member in found if member.skipped} <= {Reason.PICTURE}
    return {member.path for member in found if member.file}


def test_it_reads_scans_and_neither_icons_nor_a_program_s_pictures(tmp_path: Path, into: Path) -> None:
    assert read_of(tmp_path, into, {**SCANS, **REPOSITORY}) == {"scans/1.png", "scans/2.tif", "repo/a.py"}


def test_what_comes_out_of_git_is_a_program_all_of_it(tmp_path: Path, into: Path) -> None:
    assert read_of(tmp_path, into, {**SCANS, "README.md": b"# A"}, is_tracked=True) == {"README.md"}


def test_an_archive_in_an_archive_is_a_program_s_where_it_stands_or_by_what_it_holds(tmp_path: Path, into: Path) -> None:
    fixture = zipped({**SCANS, "a.txt": b"a"})
    files = {"case/scans.zip": zipped(SCANS), "case/code.zip": zipped(REPOSITORY), "repo/fixture.zip": fixture, "repo/a.py": b"x = 1"}
    assert read_of(tmp_path, into, files) == {
        "case/scans.zip/scans/1.png",
        "case/scans.zip/scans/2.tif",
        "case/code.zip/repo/a.py",
        "repo/fixture.zip/a.txt",
        "repo/a.py",
    }


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_it_reads_an_entry_that_stands_twice_only_once(tmp_path: Path, into: Path) -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        archive.writestr("a.txt", "one")
        archive.writestr("a.txt", "two")

    found = list(expand(packed(tmp_path, fill), "code.zip", into, Limits()))
    assert [member.skipped and member.skipped.reason for member in found] == [None, Reason.TWICE]
    assert found[0].file is not None
    assert found[0].file.read_text() == "one"


def test_it_passes_over_a_damaged_entry_and_reads_the_rest(tmp_path: Path, into: Path) -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        archive.writestr(zipfile.ZipInfo("bad.txt"), "damaged entry")
        archive.writestr("good.txt", "good")

    source = packed(tmp_path, fill)
    source.write_bytes(source.read_bytes().replace(b"damaged entry", b"another entry"))
    found = members(source, into)
    assert found["bad.txt"].skipped == DAMAGED
    assert found["good.txt"].file is not None


def test_it_refuses_locked_and_broken_archives(tmp_path: Path, into: Path) -> None:
    source = packed(tmp_path, lambda archive: archive.writestr("a.txt", "secret"))
    whole = source.read_bytes()
    directory = whole.index(b"PK\x01\x02") + 8
    source.write_bytes(whole[:directory] + b"\x01\x00" + whole[directory + 2 :])
    with pytest.raises(FileRefused, match="locked with a password"):
        members(source, into)
    source.write_bytes(whole[:30])
    with pytest.raises(FileRefused, match="damaged"):
        members(source, into)
