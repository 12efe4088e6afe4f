"""A row for each piece of work that a worker does, so that it can be watched, stopped, tried again, and never lost.

    queued -> running -> done | failed | cancelled          running -> queued when the worker died and tries are left
                                                            queued | running -> cancelled when a person says so

Every change of state is a compare-and-set in webapp.jobs.services. Knows nothing of what the work is,
but for the document that it concerns. Beside the jobs stand their workers, each start of one a row, and what the disk had free.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy

from webapp.core.models import Row


class JobState(models.TextChoices):
    QUEUED = "queued", gettext_lazy("queued")
    RUNNING = "running", gettext_lazy("running")
    DONE = "done", gettext_lazy("done")
    FAILED = "failed", gettext_lazy("failed")
    CANCELLED = "cancelled", gettext_lazy("cancelled")


ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class JobKind(models.TextChoices):
    PARSE = "parse", gettext_lazy("Parse")
    PREFILL = "prefill", gettext_lazy("Prefill")
    ANSWER = "answer", gettext_lazy("Answer")
    SWEEP = "sweep", gettext_lazy("Sweep")
    EXPORT = "export", gettext_lazy("Export")


class Job(Row):
    """`attempt` counts starts; `queued_at` is when it began to wait, the last time that it did, and
    `stage_at` when it came to the stage that it is in. `heartbeat_at` is set while it runs; when
    it grows old the worker is dead (webapp.jobs.services.jobs_recover)."""

    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="jobs")
    document = models.ForeignKey("library.Document", on_delete=models.CASCADE, null=True, blank=True, related_name="jobs")
    kind = models.CharField(max_length=8, choices=JobKind.choices)
    label = models.CharField(max_length=255)
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.QUEUED, db_index=True)
    stage = models.CharField(max_length=60, blank=True)
    stage_at = models.DateTimeField(null=True, blank=True)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    unit = models.CharField(max_length=20, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True)
    queued_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True, db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    traceback = models.TextField(blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["state", "kind"])]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.label}"

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


class Worker(Row):
    """One life of a worker: a process that took messages from `started_at` on. `seen_at` is its last heartbeat; `stopped_at` is set when it
    was told to stop and did. Without that, one that is not heard any more has died.

    `left`: what others had to take over from it, a list of {job, label, at, became, when}.
    """

    name = models.CharField(max_length=120)
    queue = models.CharField(max_length=60)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    left = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["name", "-started_at"]
        constraints = [models.UniqueConstraint(fields=["name", "pid", "started_at"], name="one_row_a_life")]

    def __str__(self) -> str:
        return self.name


class DiskReading(Row):
    """How much of the data folder's disk was free, and how much of it there is; taken every few minutes by the workers."""

    free_bytes = models.PositiveBigIntegerField()
    total_bytes = models.PositiveBigIntegerField()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["created_at"])]

    def __str__(self) -> str:
        return f"{self.free_bytes:,} of {self.total_bytes:,} bytes free"
