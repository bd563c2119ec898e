"""`python -m escalation api|worker|migrate|serve`."""

from common.service import run
from escalation.app import build
from escalation.settings import EscalationSettings

if __name__ == "__main__":
    run("escalation", EscalationSettings, build)
