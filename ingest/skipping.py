"""Which files of a repository or folder are not worth reading, told by their path alone. Opens nothing."""

from __future__ import annotations

from pathlib import PurePosixPath

_VENDORED = frozenset(
    """
    node_modules bower_components .git .hg .svn dist vendor third_party site-packages __pycache__ .venv venv .tox .nox
    .mypy_cache .pytest_cache .ruff_cache .idea .vscode __macosx
    """.split()  # noqa: SIM905 -- words read better than a list
)
_LOCK_FILES = frozenset(
    """
    package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml poetry.lock pipfile.lock uv.lock cargo.lock composer.lock
    gemfile.lock go.sum flake.lock .ds_store thumbs.db
    """.split()  # noqa: SIM905 -- words read better than a list
)
_BINARIES = frozenset(
    """
    png jpg jpeg gif webp bmp tif tiff ico icns psd mp3 mp4 m4a wav ogg flac mov avi mkv webm woff woff2 ttf otf eot so dll dylib
    exe o a lib obj class jar pyc pyd whl wasm bin dat db sqlite sqlite3 pickle pkl npy npz parquet h5 pt onnx safetensors gguf
    """.split()  # noqa: SIM905 -- words read better than a list
)
_ARCHIVES = frozenset({"zip", "tar", "gz", "tgz", "bz2", "xz", "7z", "rar", "zst"})


def reason_to_skip(path: str) -> str | None:
    """Why the file at `path` (relative, with slashes) is left out, as words that end "skipped: ..."; None if it is read."""
    place = PurePosixPath(path.lower())
    extension = place.suffix.lstrip(".")
    reasons = (
        (bool(_VENDORED.intersection(place.parts[:-1])), "its folder holds other people's or generated files"),
        (place.name in _LOCK_FILES, "it is written by a tool"),
        (place.name.endswith((".min.js", ".min.css", ".map")), "it is minified"),
        (extension in _ARCHIVES, "an archive in an archive is not opened"),
        (extension in _BINARIES, "it holds no text"),
    )
    return next((reason for applies, reason in reasons if applies), None)
