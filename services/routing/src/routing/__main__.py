"""`python -m routing api|worker|migrate|serve`."""

from common.service import run
from routing.app import build
from routing.settings import RoutingSettings

if __name__ == "__main__":
    run("routing", RoutingSettings, build)
