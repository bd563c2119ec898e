"""What a running process tells: metrics by route, logs as JSON with the ids of the trace."""

import json
import subprocess
import sys

_LOGGING = """
import logging
from common.settings import LogSettings, TelemetrySettings
from common.telemetry import set_up_logs, set_up_telemetry
from opentelemetry import trace
set_up_logs(LogSettings(), service="notes")
set_up_telemetry(TelemetrySettings(), service="notes", installation="test")
with trace.get_tracer("t").start_as_current_span("s"):
    logging.getLogger("a.library").warning("slow %s", "disk", extra={"topic": "t1"})
    try:
        secret = "hunter2"
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("ours").exception("failed")
logging.getLogger("a.library").debug("not shown")
"""


def test_logs_are_json_with_the_trace() -> None:
    """Every library's lines have one form; a traceback shows no variables."""
    done = subprocess.run([sys.executable, "-c", _LOGGING], capture_output=True, text=True, check=True)
    slow, failed = [json.loads(line) for line in done.stderr.splitlines()]
    assert (slow["event"], slow["level"], slow["logger"], slow["topic"]) == ("slow disk", "warning", "a.library", "t1")
    assert slow["service"] == "notes"
    assert len(slow["trace_id"]) == 32
    assert len(slow["span_id"]) == 16
    assert slow["timestamp"].endswith("Z")
    assert "ValueError: broken" in failed["exception"]
    assert "hunter2" not in done.stderr
