"""Pictures of a document's pages, drawn ahead where a worker has nothing more urgent, so that who opens a quote waits for no drawing.

No job stands for it and nothing is told again: what is left out, or lost with a worker, is drawn when somebody looks. Knows no Celery.
"""

from __future__ import annotations

import shutil

from django.conf import settings

from ingest.model import Kind
from ingest.render import draw_ahead
from webapp.jobs.models import Job
from webapp.library.models import Document

# Below this the disk is for what people upload and for the engine's state: four times what the dashboard calls a full disk.
FREE_BYTES = 2 * 10**9


def drawn_of(job_id: str) -> str | None:
    """The document that a parse has just made ready to be drawn, if it has."""
    job = Job.objects.filter(id=job_id, document__kind=Kind.PAGED, document__page_count__gt=0).only("document_id").first()
    return str(job.document_id) if job else None


def draw_pages(document_id: str, first: int) -> int | None:
    """Draws some pages from `first` (1-based) on; the page to go on with, None where there is nothing more to do."""
    document = Document.objects.filter(id=document_id, kind=Kind.PAGED).first()
    if document is None or first > document.page_count or shutil.disk_usage(settings.LONGREAD_HOME).free < FREE_BYTES:
        return None
    try:
        return draw_ahead(document.folder, first, settings.LONGREAD_LIMITS)
    except FileNotFoundError:
        return None
    finally:
        if not Document.objects.filter(id=document_id).exists():  # deleted meanwhile
            document.folder.delete()
