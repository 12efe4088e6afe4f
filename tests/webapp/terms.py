"""A small document of the tests' own, ready to be asked: read and indexed by the real pipeline's parts, without a worker."""

from __future__ import annotations

from functools import cache
from uuid import uuid4

from engine.loading.bundled import default_folder
from engine.tokenizer import Tokenizer
from ingest.document import index_document, read_document
from webapp.core.model_files import lexical_path
from webapp.library.models import Collection, Document, DocumentState

QUOTE = "Either party may end this agreement with 90 days' written notice."
TEXT = f"Terms.\n\n{QUOTE}\n\nNothing else is agreed."


@cache
def tokenizer() -> Tokenizer:
    """The bundled model's, which takes a third of a second to open, and longer on a busy machine."""
    return Tokenizer.open(default_folder())


def terms_document(collection: Collection) -> Document:
    """terms.txt with TEXT, which holds QUOTE in its third line."""
    document = Document(collection=collection, name="terms.txt", path="terms.txt", size_bytes=len(TEXT), sha256=uuid4().hex)
    document.folder.original.parent.mkdir(parents=True)
    document.folder.original.write_text(TEXT)
    read_document(document.name, document.path, document.folder, tokenizer())
    index_document(lexical_path(collection.id), str(document.id), document.folder)
    document.state = DocumentState.PARSED
    document.save()
    return document
