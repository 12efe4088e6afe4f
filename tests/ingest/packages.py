"""Office files for the tests: made by the libraries that people's programs resemble, and changed by hand where those offer nothing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping

from docx import Document
from docx.document import Document as WordDocument

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def word(write: Callable[[WordDocument], None]) -> bytes:
    """A Word file with what `write` puts into it."""
    document = Document()
    write(document)
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def changed(content: bytes, change: Callable[[str, bytes], bytes] = lambda name, part: part, **more: str) -> bytes:
    """The same package with each part changed, and more parts: `__` stands for a slash in their names, `_dot_` for a dot."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry, change(entry.filename, old.read(entry)))
        for name, part in more.items():
            new.writestr(name.replace("__", "/").replace("_dot_", "."), part)
    return target.getvalue()


def with_body(content: bytes, body: str) -> bytes:
    """A Word file whose body is this XML (prefix w)."""
    document = f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>'.encode()
    return changed(content, lambda name, part: document if name == "word/document.xml" else part)


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    """A ZIP of these parts in this order, the first of them not compressed, as OpenDocument and EPUB want theirs."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, content) in enumerate(parts.items()):
            archive.writestr(name, content, zipfile.ZIP_DEFLATED if number else zipfile.ZIP_STORED)
    return target.getvalue()
