"""Traces, metrics and logs of one process: providers made once at start, W3C trace context in and out.

Spans leave by OTLP over HTTP where a collector is configured, metrics are read by Prometheus on the admin port, logs
go to standard error as one JSON object a line. Every log line carries the ids of the span that it was written in.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from common.settings import LogSettings, TelemetrySettings

Entry = MutableMapping[str, Any]


def set_up_logs(settings: LogSettings, *, service: str) -> None:
    """Send everything that is logged, by whatever library, to standard error in one form."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    console = settings.format == "console"
    ends: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    ends += [] if console else [structlog.processors.format_exc_info]
    ends += [
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer()
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=ends, foreign_pre_chain=[*shared, _named(service)])
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(settings.level.upper())
    for chatty in ("aiokafka", "uvicorn", "httpx"):
        logging.getLogger(chatty).setLevel("WARNING")


def set_up_telemetry(settings: TelemetrySettings, *, service: str, installation: str) -> "Telemetry":
    """Make the process's providers. Call it before anything asks for a tracer or meter."""
    resource = Resource.create({"service.name": f"frontline-{service}", "service.namespace": installation})
    tracers = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)))
    if settings.otlp_endpoint:
        exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint.rstrip("/") + "/v1/traces")
        tracers.add_span_processor(BatchSpanProcessor(exporter))
    meters = MeterProvider(resource=resource, metric_readers=[PrometheusMetricReader()])
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)
    return Telemetry(tracers, meters)


class Telemetry:
    """The providers, to be closed at the end so that the last spans leave."""

    def __init__(self, tracers: TracerProvider, meters: MeterProvider) -> None:
        """Use `set_up_telemetry`."""
        self._tracers = tracers
        self._meters = meters

    def close(self) -> None:
        """Send what is left; blocks up to some seconds where a collector is configured and away."""
        self._tracers.shutdown()
        self._meters.shutdown()


def _add_trace(_logger: Any, _method: str, entry: Entry) -> Entry:
    ids = trace.get_current_span().get_span_context()
    if ids.is_valid:
        entry["trace_id"] = f"{ids.trace_id:032x}"
        entry["span_id"] = f"{ids.span_id:016x}"
    return entry


def _named(service: str) -> structlog.typing.Processor:
    def add_service(_logger: Any, _method: str, entry: Entry) -> Entry:
        entry["service"] = service
        return entry

    return add_service
