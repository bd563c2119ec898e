"""The four services as their composition roots make them, with settings that lead nowhere unless a test says where."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

import escalation.app
import feedback.app
import intake.app
import routing.app
from common.service import Service
from common.settings import ApiSettings, DatabaseSettings, KafkaSettings, PeersSettings
from escalation.settings import EscalationSettings
from feedback.settings import FeedbackSettings
from intake.settings import IntakeGroup, IntakeSettings
from routing.settings import RoutingSettings

SERVICES = ("intake", "routing", "escalation", "feedback")
NOWHERE = "postgresql://nobody:nothing@127.0.0.1:1/none"
_WEBHOOKS_KEY = "a2V5IG9mIHRoZSB0ZXN0cywgMzIgYnl0ZXMgbG9uZy4="


def compose(name: str, *, clients_file: Path, database_url: str = NOWHERE) -> Service:
    """One service.

    Args:
        clients_file: must be there where the service's API is made.
    """
    shared: dict[str, Any] = {
        "database": DatabaseSettings(url=SecretStr(database_url), pool_size=4),
        "kafka": KafkaSettings(bootstrap="127.0.0.1:1"),
        "api": ApiSettings(clients_file=clients_file),
        "installation": "test",
    }
    peers = PeersSettings(intake_url="http://127.0.0.1:1", routing_url="http://127.0.0.1:1", key=SecretStr("unused"))
    intake_group = IntakeGroup(webhooks_key=SecretStr(_WEBHOOKS_KEY), webhooks_allowed_networks="127.0.0.0/8")
    makers: dict[str, Callable[[], Service]] = {
        "intake": lambda: intake.app.build(IntakeSettings(**shared, intake=intake_group)),
        "routing": lambda: routing.app.build(RoutingSettings(**shared)),
        "escalation": lambda: escalation.app.build(EscalationSettings(**shared, peers=peers)),
        "feedback": lambda: feedback.app.build(FeedbackSettings(**shared, peers=peers)),
    }
    return makers[name]()
