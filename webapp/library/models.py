"""What people own: collections of documents, and the pages of a document. Knows nothing of jobs and questions."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy

from ingest.model import Kind
from ingest.storage import DocumentFolder
from webapp.core.models import Row


class Collection(Row):
    """Documents that are asked together: one prompt."""

    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="collections")
    name = models.CharField(max_length=120)

    class Meta:
        ordering = ["name", "created_at"]

    def __str__(self) -> str:
        return self.name


class Membership(Row):
    """A collection shared with somebody: to read and ask, or with `may_change` to add and delete documents too (webapp.library.access)."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="memberships")
    may_change = models.BooleanField(default=False)

    class Meta:
        ordering = ["user__username"]
        constraints = [models.UniqueConstraint(fields=["collection", "user"], name="one_membership_a_user")]

    def __str__(self) -> str:
        return f"{self.user} in {self.collection}"


class DocumentState(models.TextChoices):
    """uploaded -> parsing -> parsed -> reading -> indexed -> ready; failed from any of them, with the reason in `error`; parsing -> locked
    -> uploaded for a file that needs a password, until somebody types it.

    From `parsed` on it can be asked. `reading`: it is being indexed; `indexed`: every chunk has left its scan record, and the rest of its
    state is read in the background, or when a question needs it if the store has no room; `ready`: all of it is stored.
    An archive goes uploaded -> parsing -> ready: its files are documents of their own.
    """

    UPLOADED = "uploaded", gettext_lazy("waiting")
    PARSING = "parsing", gettext_lazy("parsing")
    PARSED = "parsed", gettext_lazy("can be asked")
    READING = "reading", gettext_lazy("reading")
    INDEXED = "indexed", gettext_lazy("indexed")
    READY = "ready", gettext_lazy("ready")
    FAILED = "failed", gettext_lazy("failed")
    LOCKED = "locked", gettext_lazy("needs a password")


WAITING = (DocumentState.UPLOADED, DocumentState.PARSING)
ASKABLE = (DocumentState.PARSED, DocumentState.READING, DocumentState.INDEXED, DocumentState.READY)


WARMTHS = {
    "cold": gettext_lazy("cold"),
    "reading": gettext_lazy("reading"),
    "indexed": gettext_lazy("indexed"),
    "ready": gettext_lazy("ready"),
}


class Document(Row):
    """One uploaded file, or one file of an uploaded archive (then `archive` is set and `path` is its path inside).

    `git_url`: where a repository is fetched from; its files were those of `git_commit`.
    `replaces`: the id of the document whose new version this is. That one goes when this one has been read; what the engine stored for it
    goes when this one's own state has been begun, so that what both have in common is not read twice (webapp.upload.versions).
    """

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="documents")
    archive = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="members")
    name = models.CharField(max_length=255)
    path = models.CharField(max_length=1000)
    is_archive = models.BooleanField(default=False)
    kind = models.CharField(max_length=8, choices=[(kind.value, kind.value) for kind in Kind], blank=True)
    state = models.CharField(max_length=10, choices=DocumentState.choices, default=DocumentState.UPLOADED, db_index=True)
    error = models.TextField(blank=True)
    notes = models.JSONField(default=list, blank=True)
    skipped_count = models.PositiveIntegerField(default=0)
    replaces = models.UUIDField(null=True, blank=True)
    git_url = models.CharField(max_length=500, blank=True)
    git_commit = models.CharField(max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, db_index=True)
    page_count = models.PositiveIntegerField(default=0)
    line_count = models.PositiveIntegerField(default=0)
    token_count = models.PositiveBigIntegerField(default=0)
    chunk_count = models.PositiveIntegerField(default=0)
    indexed_token_count = models.PositiveBigIntegerField(default=0)
    stored_token_count = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["path", "created_at"]
        indexes = [models.Index(fields=["collection", "state"])]

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> DocumentFolder:
        return DocumentFolder(settings.LONGREAD_DOCUMENTS, self.id)

    @property
    def is_askable(self) -> bool:
        return self.state in ASKABLE and not self.is_archive

    @property
    def warmth(self) -> str:
        """How much of what the engine makes of it is stored: `cold`, `reading`, `indexed` (it is found by what it means) or `ready`."""
        if self.token_count and self.stored_token_count >= self.token_count:
            return "ready"
        if self.state == DocumentState.READING:
            return "reading"
        return "indexed" if self.token_count and self.indexed_token_count >= self.token_count else "cold"

    @property
    def warmth_label(self) -> str:
        """For people, in their language."""
        return str(WARMTHS[self.warmth])

    @property
    def is_settled(self) -> bool:
        """Nothing more will happen to it by itself."""
        return self.state in (DocumentState.READY, DocumentState.FAILED, DocumentState.LOCKED)


class PageReading(models.TextChoices):
    """Where a page's text comes from: the values of ingest.model.Reading, and what people see of them."""

    FILE = "file", gettext_lazy("Its own text")
    OCR = "ocr", gettext_lazy("Read by OCR")
    UNCERTAIN = "uncertain", gettext_lazy("Read by OCR, some words uncertain")
    POOR = "poor", gettext_lazy("Read by OCR, but badly: compare with the picture")
    UNREAD = "unread", gettext_lazy("This page shows more than its text says, and was not read")


class Page(Row):
    """One page of a paged document and its span in the document's text; or a picture in one without pages, and its words' span. Width and
    height in points."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="pages")
    number = models.PositiveIntegerField()
    start_char = models.PositiveBigIntegerField()
    end_char = models.PositiveBigIntegerField()
    width = models.FloatField()
    height = models.FloatField()
    has_text = models.BooleanField(default=True)
    # Where its text comes from (ingest.model.Reading); how sure OCR is of it, 0 to 1; and a code such as "en", '' where that is not sure.
    reading = models.CharField(max_length=10, choices=PageReading, default=PageReading.FILE)
    confidence = models.FloatField(null=True, blank=True)
    language = models.CharField(max_length=8, blank=True, default="")

    class Meta:
        ordering = ["document", "number"]
        constraints = [models.UniqueConstraint(fields=["document", "number"], name="one_page_a_number")]

    def __str__(self) -> str:
        return f"{self.document} page {self.number}"
