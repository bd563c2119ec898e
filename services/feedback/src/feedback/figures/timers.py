"""Periodic work: observing tickets anew after a release that counts differently."""

from datetime import timedelta

from common.timers import Periodic
from feedback.figures.usecases import observe_anew

PERIODIC = (Periodic(name="figures_rule", every=timedelta(seconds=5), run=observe_anew),)
