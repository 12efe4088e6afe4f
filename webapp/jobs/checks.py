"""Looks at what should be running beside the web server, and says what breaks while a part of it is down (only with --deploy).

longread.W008  no worker takes a queue's messages         longread.W009  the disk of the data folder is nearly full
longread.W010  the database has not the tables of this version
"""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Warning, register
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from webapp.core.templatetags.words import size
from webapp.jobs.disk import LOW_BYTES, disk
from webapp.jobs.lives import worker_list
from webapp.jobs.routes import BREAKS, QUEUES


@register(deploy=True)
def tables_check(**_: Any) -> list[CheckMessage]:
    hint = "Run `./run manage migrate`, or start the database; `./run` does both by itself."
    try:
        executor = MigrationExecutor(connection)
        left = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return [
            Warning(f"The database does not answer, so no page can be shown and nothing is saved: {error}", hint=hint, id="longread.W010")
        ]
    if left:
        said = f"The database lacks {len(left)} changes of this version, so pages that need them fail."
        return [Warning(said, hint=hint, id="longread.W010")]
    return []


@register(deploy=True)
def workers_check(**_: Any) -> list[CheckMessage]:
    try:
        living = {queue for worker in worker_list() if worker.is_alive for queue in worker.queue.split(",")}
    except DatabaseError:
        return []  # said above
    hint = "Start one: `celery -A webapp.celery worker -Q {queue}`; `./run` and docker-compose.yml start both."
    return [
        Warning(f"No worker of the queue “{queue}” lives. {BREAKS[queue]}", hint=hint.format(queue=queue), id="longread.W008")
        for queue in QUEUES
        if queue not in living
    ]


@register(deploy=True)
def disk_check(**_: Any) -> list[CheckMessage]:
    try:
        now = disk()
    except (DatabaseError, OSError):
        return []  # said above, and by longread.E001
    if now.free_bytes >= LOW_BYTES:
        return []
    said = f"Only {size(now.free_bytes)} are free: uploads may be refused, and read documents may not be stored."
    return [Warning(said, hint="Make room on the disk of LONGREAD_HOME, or lower LONGREAD_STORE_BYTES.", id="longread.W009")]
