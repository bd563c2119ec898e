"""What an overlay may add is sound, and says what is wrong where it is not."""

import pytest

from tests.unit.deploy.conftest import Copy
from tools.manifests.__main__ import find_faults
from tools.manifests.render import render_installation

SASL = "components/kafka-sasl/kustomization.yaml"
WORKERS = "labelSelector: app.kubernetes.io/component=worker"


def add(copy: Copy, component: str) -> None:
    """List a component in the overlay, before its own settings."""
    overlay, migrations = "overlays/local/kustomization.yaml", "overlays/local/migrations/kustomization.yaml"
    copy.change(overlay, "  - settings\n", f"  - ../../components/{component}\n  - settings\n")
    if component == "postgresql-tls":
        copy.change(migrations, "  - ../settings\n", f"  - ../../../components/{component}\n  - ../settings\n")


@pytest.mark.parametrize("component", ["notices", "webhooks", "kafka-sasl", "postgresql-tls"])
def test_what_an_overlay_may_add_is_sound(copy: Copy, component: str) -> None:
    add(copy, component)
    assert find_faults(copy.root) == []
    assert render_installation(copy.root, "local") != copy.sound


def test_all_components_together_are_sound(copy: Copy) -> None:
    for component in ("notices", "webhooks", "kafka-sasl", "postgresql-tls"):
        add(copy, component)
    assert find_faults(copy.root) == []


@pytest.mark.parametrize(
    ("old", "new", "object_", "reason"),
    [
        ("svc:9093", "svc:9092", "Deployment/intake-worker", "the listener at 9092 speaks plain text"),
        ("value: 9093", "value: 9092", "NetworkPolicy/(none)", "intake-worker to Kafka, TCP 9093 is needed"),
        ("value: frontline-routing", "value: frontline-intake", "Deployment/routing-worker", "the other's rights"),
        ("secretName: frontline-feedback", "secretName: frontline-intake", "Deployment/feedback-worker", "of another"),
        (f", {WORKERS}", "", "Deployment/intake-api", "only workers talk to Kafka"),
    ],
)
def test_a_wrong_way_to_sign_in_is_refused(copy: Copy, old: str, new: str, object_: str, reason: str) -> None:
    add(copy, "kafka-sasl")
    copy.change(SASL, old, new)
    faults = find_faults(copy.root)
    assert any(fault.object == object_ and reason in fault.reason for fault in faults), faults
