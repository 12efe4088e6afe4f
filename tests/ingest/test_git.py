"""Repositories by address: fetched from a real server, and everything that is refused."""

from __future__ import annotations

import os
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import FileRefused, LimitExceeded
from ingest.git import Address, GitRules, address_of, fetch_tar, is_public, public_addresses
from ingest.progress import Progress, silent
from tests.ingest.git_server import HOST, GitServer, commit, git, git_server

HOSTS = ["github.com", "Git.Example.org:8443"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with git_server(tmp_path_factory.mktemp("git")) as server:
        yield server


def fetched(server: GitServer, name: str, target: Path, rules: GitRules | None = None, known: str = "", **trusted: str) -> str:
    """With a name server that leads to this machine, and the certificate believed."""
    rules = rules or GitRules([f"{HOST}:{server.port}"], 50_000_000, 60)
    address = address_of(server.address(name), [f"{HOST}:{server.port}"])
    believed = trusted or {"GIT_SSL_CAINFO": str(server.certificate)}
    return fetch_tar(address, target, rules, silent, known_commit=known, resolve=lambda host, port: ["127.0.0.1"], trusted=believed)


def files_in(tar: Path) -> dict[str, str]:
    with tarfile.open(tar) as archive:
        found = ((info.name, archive.extractfile(info)) for info in archive if info.isfile())
        return {name: content.read().decode() for name, content in found if content}


def test_it_fetches_the_files_of_the_newest_commit_and_only_that(server: GitServer, tmp_path: Path) -> None:
    repository = server.folder / "project"
    old = commit(repository, {"a.py": "a = 1\n"})
    files = {
        "a.py": "a = 2\n",
        "src/b.py": "b = '$Format:%H$'\n",
        ".gitignore": "*.log\n",
        "kept.log": "kept\n",
        # what would leave files out, run programs, or fetch from elsewhere
        ".gitattributes": "src export-ignore\n*.py export-subst filter=evil\n*.md text eol=crlf\n",
        ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = https://127.0.0.1/x\n',
        ".lfsconfig": "[lfs]\n\turl = https://127.0.0.1/x\n",
    }
    newest = commit(repository, files)
    target = tmp_path / "incoming"
    asked = len(server.asked)
    assert fetched(server, "project", target) == newest
    assert files_in(target) == files
    assert [path.name for path in tmp_path.iterdir()] == ["incoming"]
    assert server.asked[asked:] == ["/project/info/refs?service=git-upload-pack"]
    target.unlink()
    assert fetched(server, "project", target, known=newest) == newest
    assert not target.exists()
    assert old != newest


@pytest.mark.parametrize(
    ("path", "reason"),
    [("moved/project", "not followed"), ("locked/project", "not everybody may read it"), ("absent", "no such repository")],
)
def test_it_follows_no_redirect_and_has_no_password(server: GitServer, tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(FileRefused, match=reason):
        fetched(server, path, tmp_path / "incoming")
    assert not list(tmp_path.iterdir())


def test_it_believes_no_certificate_of_nobodys(server: GitServer, tmp_path: Path) -> None:
    commit(server.folder / "project", {"a.py": "a = 3\n"})
    with pytest.raises(FileRefused, match="certificate"):
        fetched(server, "project", tmp_path / "incoming", GIT_TERMINAL_PROMPT="0")


def test_a_repository_that_is_too_large_or_too_slow_is_given_up(server: GitServer, tmp_path: Path) -> None:
    commit(server.folder / "large", {"data.txt": os.urandom(300_000).hex()})
    with pytest.raises(LimitExceeded, match="has more than 0 MB"):
        fetched(server, "large", tmp_path / "incoming", GitRules([], 200_000, 60))
    with pytest.raises((LimitExceeded, FileRefused)):
        fetched(server, "large", tmp_path / "incoming", GitRules([], 50_000_000, 0))
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_no_configuration_of_this_machine_has_a_part_in_it(server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[url "https://127.0.0.1:1/"]\n\tinsteadOf = https://{HOST}:{server.port}/\n')
    for name, value in {
        "HOME": str(home),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.proxy",
        "GIT_CONFIG_VALUE_0": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    newest = commit(server.folder / "project", {"a.py": "a = 4\n"})
    assert fetched(server, "project", tmp_path / "incoming") == newest


def test_it_stops_where_nobody_waits_any_more(server: GitServer, tmp_path: Path) -> None:
    class Cancelled(Exception):
        pass

    def stop(progress: Progress, /) -> None:
        raise Cancelled

    address = Address("https://192.0.2.1/x", "192.0.2.1", 443, "x")  # nothing answers there
    with pytest.raises((Cancelled, FileRefused)):
        fetch_tar(address, tmp_path / "incoming", GitRules([], 10**6, 60), stop, resolve=lambda host, port: ["192.0.2.1"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        "http://github.com/a/b",
        "git://github.com/a/b",
        "ssh://git@github.com/a/b",
        "file:///etc",
        "ext::sh -c id",
        "https://user:secret@github.com/a/b",
        "https://token@github.com/a/b",
        "https://github.com.evil.org/a/b",
        "https://evil.org/github.com",
        "https://github.com:8443/a/b",
        "https://git.example.org/a/b",
        "https://github.com/",
        "https://github.com/-upload-pack=x",
        "https://github.com/a/../b",
        "https://github.com/a b",
        "https://github.com/a?x=1",
        "https://github.com/a#x",
        "https://[::1]/a",
        "https://github.com:x/a",
        "--upload-pack=id",
        "",
        "https://github.com/" + "a" * 600,
    ],
)
def test_it_refuses_every_other_address(text: str) -> None:
    with pytest.raises(FileRefused):
        address_of(text, HOSTS)


def test_it_takes_addresses_of_the_list() -> None:
    assert address_of(" https://GitHub.com/owner/name.git ", HOSTS) == Address(
        "https://github.com/owner/name.git", "github.com", 443, "name"
    )
    assert address_of("https://git.example.org:8443/a/b/", HOSTS).port == 8443
    with pytest.raises(FileRefused, match="Allowed: none"):
        address_of("https://github.com/owner/name", [])


@pytest.mark.parametrize(
    "address",
    """
    127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 ::1 fe80::1%eth0 fd00::1 ff02::1 ::
    ::ffff:127.0.0.1 2002:7f00:1:: 64:ff9b::7f00:1
    """.split(),  # noqa: SIM905 -- words read better than a list
)
def test_addresses_of_private_networks_are_none(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_public(address)
    entries = [(socket.AF_INET, 1, 6, "", ("140.82.121.4", 443)), (socket.AF_INET, 1, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)
    with pytest.raises(FileRefused, match="private network"):
        public_addresses("github.com", 443)


def test_public_addresses_are_taken_once_for_all() -> None:
    assert is_public("140.82.121.4")
    assert is_public("2606:50c0:8000::153")


def test_without_the_program_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileRefused, match="git is not installed"):
        fetch_tar(Address("https://github.com/a", "github.com", 443, "a"), tmp_path / "x", GitRules([], 1, 1), silent)


def test_the_servers_repositories_are_what_the_test_says(server: GitServer) -> None:
    newest = commit(server.folder / "project", {"a.py": "a = 5\n"})
    assert git(server.folder / "project", "show", f"{newest}:a.py") == "a = 5\n"
