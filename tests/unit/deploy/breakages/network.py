"""Of who may talk to whom."""

from tests.unit.deploy.breakages.breakage import NETWORK, broken

FLOWS = (
    broken(
        "names by UDP alone", f"{NETWORK}/dns.yaml", "        - {protocol: TCP, port: 53}\n", "",
        object="NetworkPolicy/(none)", field="spec", reason="to DNS, TCP 53 is needed",
    ),
    broken(
        "a worker without Kafka", f"{NETWORK}/kustomization.yaml", "  - kafka.yaml\n", "",
        object="NetworkPolicy/(none)", field="spec", reason="intake-worker to Kafka, TCP 9092 is needed",
    ),
    broken(
        "a caller that is not let in", f"{NETWORK}/peers.yaml", "values: [escalation, feedback]", "values: [feedback]",
        object="NetworkPolicy/(none)", field="spec", reason="escalation-api to intake-api, TCP 8000 is needed",
    ),
    broken(
        "metrics for everybody", f"{NETWORK}/monitoring.yaml", "matchLabels: {frontline-access: monitoring}",
        "matchLabels: {}",
        object="NetworkPolicy/monitoring", field="spec", reason="a pod of another namespace to intake-api, TCP 9000",
    ),
    broken(
        "the admin pages for the gateway", f"{NETWORK}/gateway.yaml", "        - {protocol: TCP, port: http}\n",
        "        - {protocol: TCP, port: http}\n        - {protocol: TCP, port: admin}\n",
        object="NetworkPolicy/gateway", field="spec", reason="the gateway to intake-api, TCP 9000 passes",
    ),
    broken(
        "webhooks into the cluster", f"{NETWORK}/outside.yaml", "10.0.0.0/8, ", "",
        object="NetworkPolicy/outside", field="spec", reason="escalation-worker to a private address",
    ),
    broken(
        "everybody outside", f"{NETWORK}/outside.yaml", "{app.kubernetes.io/name: escalation, ", "{",
        object="NetworkPolicy/outside", field="spec", reason="intake-worker to the world",
    ),
    broken(
        "nothing denied", f"{NETWORK}/kustomization.yaml", "  - deny.yaml\n", "",
        object="NetworkPolicy/deny", field="spec", reason="a pod that nobody thought of",
    ),
)  # fmt: skip
