"""Ways to break the manifests, one by one, each with the fault that must be found."""

from tests.unit.deploy.breakages.network import FLOWS
from tests.unit.deploy.breakages.objects import COMPLETENESS, PEERS, REFERENCES, SCHEMAS, SELECTORS
from tests.unit.deploy.breakages.pods import PROBES, SECURITY
from tests.unit.deploy.breakages.rollout import AVAILABILITY, RELEASES
from tests.unit.deploy.breakages.settings import BROKERS, TOPICS, VARIABLES

BREAKAGES = (
    *COMPLETENESS, *SCHEMAS, *REFERENCES, *PEERS, *SELECTORS,
    *SECURITY, *PROBES,
    *VARIABLES, *TOPICS, *BROKERS,
    *FLOWS,
    *AVAILABILITY, *RELEASES,
)  # fmt: skip
