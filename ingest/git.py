"""A repository by its https address, as a tar of the files of its newest commit. The `git` program fetches; nothing of it is checked out.

An address is only followed where its host is on a list, leads to public addresses, and stays there: the name is looked up once, and the
program connects to what was found, whatever the name leads to a moment later. No redirect, credential, submodule, hook, filter or
configuration of this machine has a part in it. Knows no row and no setting.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from ingest.confined import confine
from ingest.errors import FileRefused, LimitExceeded
from ingest.held import held_folder
from ingest.limits import Cost
from ingest.progress import Progress, Report

_MOST_CHARS = 500
_PATH = re.compile(r"/[A-Za-z0-9_.~][A-Za-z0-9_.~/-]*")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_LOOK_SECONDS = 0.3
_SLOW_BYTES, _SLOW_SECONDS = 1_000, 30  # a server that sends less for so long is given up
_SAID_BYTES = 4_000
_OLDEST = (2, 37)  # knows http.curloptResolve
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Attributes of a repository decide what an archive of it leaves out and changes; here nothing is.
_ATTRIBUTES = "* -export-ignore -export-subst -filter -ident -text -working-tree-encoding\n"


@dataclass(frozen=True, slots=True)
class GitRules:
    """`hosts`: those that may be fetched from, as `host` or `host:port`. `bytes`: of what is fetched, and of the files together."""

    hosts: Sequence[str]
    bytes: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Address:
    """An https address that the rules allow."""

    url: str
    host: str
    port: int
    name: str


Resolve = Callable[[str, int], list[str]]
"""(host, port) -> addresses to connect to. Raises FileRefused where there is none that may be."""


def address_of(text: str, hosts: Sequence[str]) -> Address:
    """The address that somebody typed. Raises FileRefused."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port or 443
    except ValueError:
        _refuse("This is no address of a repository. It begins with https://")
    if parts.scheme != "https" or len(text) > _MOST_CHARS:
        _refuse("Only addresses that begin with https:// are fetched from.")
    if "@" in parts.netloc:
        _refuse("This address has a name or a password in it. Only repositories that anybody may read are fetched; leave it out.")
    if parts.query or parts.fragment or not _HOST.fullmatch(host) or not _PATH.fullmatch(parts.path) or ".." in parts.path:
        _refuse("This is no address of a repository. It looks like https://host/owner/name")
    if (host if port == 443 else f"{host}:{port}") not in {allowed.lower() for allowed in hosts}:
        _refuse(f"Repositories of {parts.netloc} are not fetched here. Allowed: {', '.join(hosts) or 'none'}. Ask the operator for more.")
    name = parts.path.rstrip("/").rpartition("/")[2].removesuffix(".git")
    return Address(f"https://{parts.netloc.lower()}{parts.path}", host, port, name or host)


def public_addresses(host: str, port: int) -> list[str]:
    """What the name leads to now. Raises FileRefused where any of it is not of the public internet."""
    try:
        found = sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except OSError as error:
        raise FileRefused(f"The name {host} is not known. Check the address.") from error
    if not found or not all(is_public(address) for address in found):
        _refuse(f"The name {host} leads into a private network, from which nothing is fetched.")
    return found


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and none that hides another one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if found in _NAT64:
            inner = ipaddress.IPv4Address(found.packed[-4:])
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


def fetch_tar(
    address: Address,
    target: Path,
    rules: GitRules,
    report: Report,
    *,
    known_commit: str = "",
    resolve: Resolve = public_addresses,
    trusted: Mapping[str, str] | None = None,
) -> str:
    """Writes the files of the newest commit to `target`, and returns that commit's name; nothing is written where that is `known_commit`.

    `trusted`: variables that say whose certificates are believed, for a server that a test makes. Raises FileRefused, LimitExceeded, and
    what `report` raises.
    """
    program = _program()
    with held_folder(target.parent, "fetch-") as folder:
        git = _Git(program, folder / "git", rules, report, time.monotonic() + rules.seconds, dict(trusted or {}))
        git.run("init", "--bare", "--quiet", "--template=", ".")
        git.run(*_network(address, resolve(address.host, address.port)), "fetch", "--quiet", "--depth=1", *_ALONE, address.url, "HEAD")
        commit = git.run("rev-parse", "--verify", "FETCH_HEAD^{commit}").strip()
        if commit != known_commit:
            (git.repository / "info").mkdir(exist_ok=True)
            (git.repository / "info" / "attributes").write_text(_ATTRIBUTES)
            tar = folder.absolute() / "tar"
            git.run("archive", "--format=tar", f"--output={tar}", commit)
            tar.replace(target)  # whole, or not at all
    return commit


_ALONE = ("--no-tags", "--no-recurse-submodules", "--no-auto-maintenance", "--")


def _network(address: Address, addresses: list[str]) -> list[str]:
    """What the program is told of the network."""
    pinned = ",".join(f"[{found}]" if ":" in found else found for found in addresses)
    said = {
        "http.curloptResolve": f"{address.host}:{address.port}:{pinned}",
        "http.followRedirects": "false",
        "http.sslVerify": "true",
        "http.proxy": "",
        "http.lowSpeedLimit": _SLOW_BYTES,
        "http.lowSpeedTime": _SLOW_SECONDS,
        "protocol.allow": "never",
        "protocol.https.allow": "always",
        "credential.helper": "",
        "fetch.unpackLimit": 1,
        "pack.threads": 1,
    }
    return [word for name, value in said.items() for word in ("-c", f"{name}={value}")]


def _program() -> str:
    program = shutil.which("git")
    if program is None:
        _refuse("The program git is not installed on this machine, so no repository can be fetched. Ask the operator to install it.")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout  # noqa: S603 -- found on PATH
    version = re.search(r"(\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < _OLDEST:
        _refuse(f"The program git on this machine is too old to fetch safely ({said.strip()}). Ask the operator for 2.37 or newer.")
    return program


@dataclass(frozen=True, slots=True)
class _Git:
    """The program, in an empty home, with limits on memory, time and bytes."""

    program: str
    scratch: Path
    rules: GitRules
    report: Report
    deadline: float
    trusted: dict[str, str]

    @property
    def repository(self) -> Path:
        return self.scratch / "repository"

    def run(self, *arguments: str) -> str:
        """What it says. Raises FileRefused with its last line where it fails."""
        self.repository.mkdir(parents=True, exist_ok=True)
        cost = Cost(
            memory_bytes=4_000_000_000, cpu_seconds=self.rules.seconds, wall_seconds=self.rules.seconds, written_bytes=self.rules.bytes
        )
        said = self.scratch / "said"
        with said.open("w+b") as file:
            process = subprocess.Popen(  # noqa: S603 -- no shell, and the address is checked
                [self.program, "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", *arguments],
                cwd=self.repository,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=partial(confine, cost),
            )
            try:
                self._watch(process)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            file.seek(0)
            words = file.read(_SAID_BYTES).decode("utf-8", "replace")
        if process.returncode:
            if _size(self.scratch) >= self.rules.bytes:
                raise _too_large(self.rules)
            raise _failure(process.returncode, words, self.rules)
        return words

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_SECONDS)
                return
            here = _size(self.scratch)
            self.report(Progress("fetching", here // 1_000, 0, "kB"))
            if here > self.rules.bytes:
                raise _too_large(self.rules)
            if time.monotonic() > self.deadline:
                raise LimitExceeded(
                    f"Fetching this repository takes more than {self.rules.seconds / 60:,.0f} minutes, the most. "
                    "Clone it yourself and upload its folder."
                )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.scratch),
            "XDG_CONFIG_HOME": str(self.scratch),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "false",
            "GIT_ALLOW_PROTOCOL": "https",
            "GIT_DIR": str(self.repository),
            "LC_ALL": "C",
            **self.trusted,
        }


def _size(folder: Path) -> int:
    size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += (Path(root) / name).stat().st_size
    return size


def _too_large(rules: GitRules) -> LimitExceeded:
    return LimitExceeded(
        f"This repository has more than {rules.bytes / 1e6:,.0f} MB, the most that is fetched. "
        "Clone it yourself and upload the folders you need."
    )


_MOVED = "The server sends this address on to another one, which is not followed. Type the address that it leads to."
# What the program says, and what that means for whoever typed the address.
_MEANINGS = (
    ("returned error: 30", _MOVED),
    ("redirect", _MOVED),
    ("could not read Username", "There is no such repository, or not everybody may read it. Only public ones are fetched."),
    ("terminal prompts disabled", "There is no such repository, or not everybody may read it. Only public ones are fetched."),
    ("Authentication failed", "There is no such repository, or not everybody may read it. Only public ones are fetched."),
    ("not found", "There is no such repository. Check the address."),
    ("couldn't find remote ref HEAD", "This repository has no commit yet."),
    ("certificate", "The server's certificate is not valid, so nothing is fetched from it."),
)


def _failure(status: int, words: str, rules: GitRules) -> FileRefused | LimitExceeded:
    if status == -signal.SIGXFSZ or "File too large" in words:
        return _too_large(rules)
    for mark, meaning in _MEANINGS:
        if mark in words:
            return FileRefused(meaning)
    lines = [line for line in words.splitlines() if line.strip()] or [f"status {status}"]
    last = "".join(character for character in lines[-1][:200] if character.isprintable())
    return FileRefused(f"This repository could not be fetched ({last}). Try again later, or upload its folder.")


def _refuse(sentence: str) -> NoReturn:
    raise FileRefused(sentence)
