"""The topics that the service reads are those of which some handler follows an event."""

from pathlib import Path

from pydantic import SecretStr

from common.settings import ApiSettings, DatabaseSettings, KafkaSettings, PeersSettings
from contracts.registry import EVENT_TYPES
from escalation.app import build
from escalation.settings import EscalationSettings


def test_every_topic_that_is_read_is_followed_and_every_one_that_is_followed_is_read() -> None:
    settings = EscalationSettings(
        database=DatabaseSettings(url=SecretStr("postgresql://nobody@127.0.0.1:1/none")),
        kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
        api=ApiSettings(clients_file=Path("none")),
        peers=PeersSettings(intake_url="http://127.0.0.1:1", routing_url="http://127.0.0.1:1", key=SecretStr("unused")),
    )
    service = build(settings)
    followed = {EVENT_TYPES[name].producer for handler in service.handlers for name in handler.types}
    assert set(service.consumes) == followed
