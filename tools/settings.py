"""The settings reference, docs/settings.md, generated from the settings classes.

`python -m tools.settings write` writes it, `check` fails where the committed one says something else.
"""

import sys
from pathlib import Path

from common.settings import ServiceSettings, reference, variables
from escalation.settings import EscalationSettings
from feedback.settings import FeedbackSettings
from intake.settings import IntakeSettings
from routing.settings import RoutingSettings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
SERVICES: dict[str, type[ServiceSettings]] = {
    "intake": IntakeSettings,
    "routing": RoutingSettings,
    "escalation": EscalationSettings,
    "feedback": FeedbackSettings,
}
_HEAD = """\
# Settings

Generated from the code by `python -m tools.settings write`. Durations carry a unit (`500ms`, `2s`, `15m`, `48h`, `7d`),
sizes too (`256KiB`, `1MiB`). `python -m <service> --check-config` says everything that is wrong with an environment.
"""


def render() -> str:
    """The page: what every service reads, then what each one reads besides."""
    shared = reference(ServiceSettings)
    names = {variable.name for variable in variables(ServiceSettings)}
    parts = [_HEAD, "## Every service\n", shared]
    for service, settings in SERVICES.items():
        own = [line for line in reference(settings).splitlines()[2:] if line.split("`")[1] not in names]
        parts += [f"## {service}\n", "\n".join([*shared.splitlines()[:2], *own]) + "\n"]
    return "\n".join(parts)


def main(command: str) -> int:
    """Write or check; returns the exit code."""
    text = render()
    if command == "write":
        PAGE.write_text(text)
        return 0
    if command != "check":
        print("say write or check")
        return 2
    if PAGE.read_text() == text:
        return 0
    print("docs/settings.md differs from the settings: run `python -m tools.settings write` and commit it")
    return 1


if __name__ == "__main__":
    sys.exit(main("".join(sys.argv[1:])))
