"""/metrics: the dashboard's figures for Prometheus, for whoever has the token. Without a token set, it does not exist."""

from __future__ import annotations

import hmac
from collections.abc import Iterator

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseForbidden
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from webapp.core.templatetags.words import age_seconds
from webapp.core.versions import versions
from webapp.jobs.engine_figures import EngineFigures
from webapp.operate.selectors import Figures, figures, jobs_by_kind


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """403 without `Authorization: Bearer` and the token that LONGREAD_METRICS_TOKEN holds."""
    if not settings.LONGREAD_METRICS_TOKEN:
        raise Http404
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
    if not hmac.compare_digest(given, settings.LONGREAD_METRICS_TOKEN.encode()):
        return HttpResponseForbidden("Send the token: Authorization: Bearer TOKEN\n", content_type="text/plain; charset=utf-8")
    registry = CollectorRegistry()
    registry.register(_Collector())
    response = HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
    response["Cache-Control"] = "no-store"
    return response


class _Collector(Collector):
    """Reads everything once, when it is asked."""

    def collect(self) -> Iterator[Metric]:
        shown = figures()
        yield _info()
        yield from _jobs(shown)
        yield from _workers(shown)
        yield from _people(shown)
        yield from _machine(shown)
        yield from _engines(shown.engines)

    def describe(self) -> list[Metric]:
        """Nothing is read only to be registered."""
        return []


def _gauge(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(f"longread_{name}", said, value=value)


def _info() -> Metric:
    family = GaugeMetricFamily("longread_info", "Which version runs; always 1.", labels=["version"])
    family.add_metric([dict(versions())["Longread"]], 1)
    return family


def _jobs(shown: Figures) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("longread_jobs", "Jobs by kind and state.", labels=["kind", "state"])
    for kind, state, count in jobs_by_kind():
        jobs.add_metric([kind, state], count)
    yield jobs
    yield _gauge("broker_up", "1 if the broker answers.", shown.queues is not None)
    messages = GaugeMetricFamily("longread_queue_messages", "Messages in the broker by queue.", labels=["queue"])
    for queue, depth in (shown.queues or {}).items():
        messages.add_metric([queue], depth)
    yield messages
    oldest = GaugeMetricFamily("longread_queue_oldest_wait_seconds", "How long the first waiting job has waited.", labels=["queue", "kind"])
    for waiting in shown.waiting:
        oldest.add_metric([waiting.queue, waiting.kind], age_seconds(waiting.oldest))
    yield oldest


def _workers(shown: Figures) -> Iterator[Metric]:
    workers = GaugeMetricFamily(
        "longread_workers", "Workers by queue and how they are; dead ones of the last day.", labels=["queue", "life"]
    )
    counted: dict[tuple[str, str], int] = {}
    for worker in shown.workers:
        key = worker.queue, worker.life.value
        counted[key] = counted.get(key, 0) + 1
    for labels, count in counted.items():
        workers.add_metric(list(labels), count)
    yield workers


def _people(shown: Figures) -> Iterator[Metric]:
    waits = shown.waits
    yield _gauge("answers_waiting", "Questions whose answer has not begun.", waits.waiting)
    yield _gauge("answers_streaming", "Answers that are being given.", waits.streaming)
    yield _gauge("answers_last_day", "Answers given in the last day.", waits.answers)
    first = GaugeMetricFamily("longread_first_token_seconds", "From question to first word, over the last day.", labels=["quantile"])
    for quantile, value in (("0.5", waits.p50), ("0.95", waits.p95)):
        if value is not None:
            first.add_metric([quantile], value)
    yield first


def _machine(shown: Figures) -> Iterator[Metric]:
    yield _gauge("disk_free_bytes", "Free on the disk of the data folder.", shown.disk.free_bytes)
    yield _gauge("disk_total_bytes", "Size of the disk of the data folder.", shown.disk.total_bytes)


def _engines(engines: list[EngineFigures]) -> Iterator[Metric]:
    up = GaugeMetricFamily("longread_engine_up", "1 if the engine can be used.", labels=["worker"])
    for engine in engines:
        up.add_metric([engine.worker], engine.status is not None)
    yield up
    for name, said, field in _GAUGES:
        yield _of_engines(GaugeMetricFamily(f"longread_{name}", said, labels=["worker"]), engines, field)
    for name, said, field in _COUNTERS:
        yield _of_engines(CounterMetricFamily(f"longread_{name}", said, labels=["worker"]), engines, field)


def _of_engines(
    family: GaugeMetricFamily | CounterMetricFamily, engines: list[EngineFigures], field: str
) -> GaugeMetricFamily | CounterMetricFamily:
    for engine in engines:
        if engine.status is not None and (value := getattr(engine.status, field)) is not None:
            family.add_metric([engine.worker], value)
    return family


_GAUGES = (
    ("engine_answers", "Answers that the engine works on.", "answers_running"),
    ("engine_decode_tokens_per_second", "Tokens written in the last seconds.", "decode_tokens_per_second"),
    ("engine_prefill_tokens_per_second", "Tokens read in the last seconds.", "prefill_tokens_per_second"),
    ("store_bytes", "Stored state.", "store_bytes"),
    ("store_budget_bytes", "What the store may hold.", "store_budget_bytes"),
    ("store_file_bytes", "What the store takes on disk.", "store_file_bytes"),
)
_COUNTERS = (
    ("store_hits", "Records asked of the store that were there.", "store_hits"),
    ("store_misses", "Records asked of the store that were not there.", "store_misses"),
    ("store_evictions", "Records that went for others.", "store_evictions"),
)
