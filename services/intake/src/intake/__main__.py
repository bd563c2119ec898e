"""`python -m intake api|worker|migrate|serve`."""

from common.service import run
from intake.app import build
from intake.settings import IntakeSettings

if __name__ == "__main__":
    run("intake", IntakeSettings, build)
