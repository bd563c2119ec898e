"""`python -m tests.unit.deploy.exported`: the names of our metrics as Prometheus reads them, a line each.

A process of its own, since a process has one provider of meters, and instruments are made when modules are imported.
"""

import pkgutil
import sys
from importlib import import_module

from opentelemetry import metrics
from prometheus_client import REGISTRY

from common.settings import TelemetrySettings
from common.telemetry import set_up_telemetry

PACKAGES = ("common", "intake", "routing", "escalation", "feedback")


def main() -> None:
    """Let every instrument of every module count once, then look what is shown."""
    set_up_telemetry(TelemetrySettings(), service="any", installation="any")
    for package in PACKAGES:
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if ".migrations" not in module.name and not module.name.endswith("__main__"):
                import_module(module.name)
    ours = [module for name, module in sys.modules.items() if name.partition(".")[0] in PACKAGES]
    for instrument in {id(value): value for module in ours for value in vars(module).values()}.values():
        if isinstance(instrument, metrics.Counter):
            instrument.add(1)
        elif isinstance(instrument, metrics.Histogram):
            instrument.record(1)
        elif isinstance(instrument, metrics.Instrument):
            instrument.set(1)  # what is left are gauges; anything else has no `set` and fails here
    names = {sample.name for family in REGISTRY.collect() for sample in family.samples}
    print("\n".join(sorted(name for name in names if name.startswith("frontline"))))  # noqa: T201 - a command prints


if __name__ == "__main__":
    main()
