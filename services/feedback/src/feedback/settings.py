"""Feedback's settings: the shared groups and its own."""

from pydantic import Field

from common.settings import PeersSettings, ServiceSettings, SettingsGroup


class FeedbackGroup(SettingsGroup):
    """FRONTLINE_FEEDBACK_*."""

    public_url: str = Field(
        default="http://127.0.0.1:8104", description="where customers reach the survey page: http(s)://host[:port]"
    )


class FeedbackSettings(ServiceSettings):
    """Everything that a process of feedback reads."""

    peers: PeersSettings
    feedback: FeedbackGroup = FeedbackGroup()
