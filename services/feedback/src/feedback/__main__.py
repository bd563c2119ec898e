"""`python -m feedback api|worker|migrate|serve`."""

from common.service import run
from feedback.app import build
from feedback.settings import FeedbackSettings

if __name__ == "__main__":
    run("feedback", FeedbackSettings, build)
