"""How those who know what a job was for learn that it ended badly, without the jobs knowing them."""

from django.dispatch import Signal

# Sent after commit with `job`, when it failed for good or was cancelled, whoever noticed (its task, the watchdog or a person).
job_broke = Signal()
# Sent after commit with `job`, when a failed or cancelled job was queued again.
job_restarted = Signal()
# Sent every few minutes by one of the workers, for whoever has something to tidy.
looked_after = Signal()
