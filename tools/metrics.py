"""The reference of all metrics, docs/metrics.md, generated from the instruments themselves.

`python -m tools.metrics write` writes it, `check` fails where the committed one says something else.
"""

import pkgutil
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from opentelemetry import metrics
from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric

from common.settings import TelemetrySettings
from common.telemetry import set_up_telemetry

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "metrics.md"
_PACKAGES = ("common", "intake", "routing", "escalation", "feedback")
_LABELS = {
    "frontline_calls_attempts": "service, kind, outcome",
    "frontline_calls_duration_seconds": "service",
    "frontline_calls_oldest_due_seconds": "service",
    "frontline_consumer_applied": "topic",
    "frontline_consumer_batch_duration_seconds": "topic",
    "frontline_consumer_batch_size": "topic",
    "frontline_consumer_duplicates": "topic",
    "frontline_consumer_forks": "topic",
    "frontline_consumer_gaps": "topic",
    "frontline_consumer_offset_lag": "topic, partition",
    "frontline_consumer_poison": "topic",
    "frontline_consumer_redrives": "outcome",
    "frontline_consumer_time_lag_seconds": "topic, partition",
    "frontline_escalation_alarms": "alarm",
    "frontline_notifications_attempts": "channel, outcome",
    "frontline_routing_wait_seconds": "priority",
    "frontline_timers_failed": "kind",
    "frontline_timers_fired": "kind",
    "frontline_timers_lateness_seconds": "kind",
    "frontline_webhooks_attempts": "outcome",
    "frontline_webhooks_endpoints": "state",
}
"""What an instrument does not know of itself."""
_HEAD = """\
# Metrics

Generated from the code by `python -m tools.metrics write`. Every process shows on `/metrics` of its admin port what it
does itself; each name carries its unit. A counter shows from its first count on. The alarms are those of
[operators.md](operators.md), where rising(m) is written out. Times of calls are in
`http_server_request_duration_seconds`, by `http_route`, `http_request_method` and `http_response_status_code`.

| Metric | Kind | Labels | Meaning | Alarm |
|---|---|---|---|---|
"""


def collect() -> list[Metric]:
    """Every metric of ours as Prometheus reads it, after each instrument of every module has counted once.

    A process has one provider of meters, and instruments are made when modules are imported: call it once, first.
    """
    set_up_telemetry(TelemetrySettings(), service="any", installation="any")
    for package in _PACKAGES:
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if ".migrations" not in module.name and not module.name.endswith("__main__"):
                import_module(module.name)
    for instrument in _instruments():
        if isinstance(instrument, metrics.Counter):
            instrument.add(1)
        elif isinstance(instrument, metrics.Histogram):
            instrument.record(1)
        else:
            instrument.set(1)
    return sorted(
        (each for each in REGISTRY.collect() if each.name.startswith("frontline")), key=lambda each: each.name
    )


def _instruments() -> Iterator["metrics.Counter | metrics.Histogram | metrics._Gauge"]:
    ours = [module for name, module in sys.modules.items() if name.partition(".")[0] in _PACKAGES]
    found = {id(value): value for module in ours for value in vars(module).values()}
    for value in found.values():
        if isinstance(value, metrics.Counter | metrics.Histogram | metrics._Gauge):
            yield value


def render() -> str:
    """The page."""
    found = collect()
    unknown = _LABELS.keys() - {each.name for each in found}
    assert not unknown, f"tools/metrics.py gives labels to what is no metric: {sorted(unknown)}"
    operators = (DOCS / "operators.md").read_text().partition("| Alarm when |")[2].partition("\n\n")[0]
    alarms = re.findall(r"^\| (`[^|]*?) \|", operators, re.MULTILINE)
    return _HEAD + "".join(_row(each, alarms) for each in found)


def _row(metric: Metric, alarms: list[str]) -> str:
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    alarm = "; ".join(alarm for alarm in alarms if re.search(rf"\b{name}\b", alarm))
    return f"| `{name}` | {metric.type} | {_LABELS.get(metric.name, '')} | {metric.documentation} | {alarm} |\n"


def main(command: str) -> int:
    """Write or check; returns the exit code."""
    if command not in ("write", "check"):
        print("say write or check")
        return 2
    text = render()
    if command == "write":
        PAGE.write_text(text)
        return 0
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    print("docs/metrics.md differs from the instruments: run `python -m tools.metrics write` and commit it")
    return 1


if __name__ == "__main__":
    sys.exit(main("".join(sys.argv[1:])))
