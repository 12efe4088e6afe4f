"""ZIP archives, friendly and hostile."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.archive import Member, expand
from ingest.errors import FileRefused, LimitExceeded
from ingest.limits import Limits


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
    return {member.path: member for member in expand(source, into, limits or Limits())}


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
    assert found["link"].skipped == "it is a link, and links are not followed"
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
    with pytest.raises(LimitExceeded, match="too many entries"):
        members(source, into, Limits(archive_entries=3))
    with pytest.raises(LimitExceeded, match="too many entries"):
        members(source, into, Limits(archive_directory_bytes=100))


def test_it_lists_what_it_does_not_read_with_the_reason(tmp_path: Path, into: Path) -> None:
    names = ["web/node_modules/a.js", "a.min.js", "poetry.lock", "logo.png", "inner.zip", "main.py"]

    def fill(archive: zipfile.ZipFile) -> None:
        for name in names:
            archive.writestr(name, "x")
        archive.writestr("empty.txt", "")

    found = members(packed(tmp_path, fill), into)
    assert {path for path, member in found.items() if member.file} == {"main.py"}
    assert found["inner.zip"].skipped == "an archive in an archive is not opened"
    assert all(member.skipped for path, member in found.items() if path != "main.py")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_it_reads_an_entry_that_stands_twice_only_once(tmp_path: Path, into: Path) -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        archive.writestr("a.txt", "one")
        archive.writestr("a.txt", "two")

    found = list(expand(packed(tmp_path, fill), into, Limits()))
    assert [member.skipped for member in found] == [None, "it stands twice in the archive"]


def test_it_passes_over_a_damaged_entry_and_reads_the_rest(tmp_path: Path, into: Path) -> None:
    def fill(archive: zipfile.ZipFile) -> None:
        archive.writestr(zipfile.ZipInfo("bad.txt"), "damaged entry")
        archive.writestr("good.txt", "good")

    source = packed(tmp_path, fill)
    source.write_bytes(source.read_bytes().replace(b"damaged entry", b"another entry"))
    found = members(source, into)
    assert found["bad.txt"].skipped == "it is damaged"
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
