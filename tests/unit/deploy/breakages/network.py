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
        object="NetworkPolicy/(none)", field="spec", reason="escalation-worker to intake-api, TCP 8000 is needed",
    ),
    broken(
        "metrics for everybody", f"{NETWORK}/monitoring.yaml", "matchLabels: {frontline-access: monitoring}",
        "matchLabels: {}",
        object="NetworkPolicy/monitoring", field="spec", reason="another namespace to escalation-api, TCP 9000",
    ),
    broken(
        "the admin pages for the gateway", f"{NETWORK}/gateway.yaml", "        - {protocol: TCP, port: http}\n",
        "        - {protocol: TCP, port: http}\n        - {protocol: TCP, port: admin}\n",
        object="NetworkPolicy/gateway", field="spec", reason="the gateway to escalation-api, TCP 9000 passes",
    ),
    broken(
        "webhooks into the cluster", f"{NETWORK}/outside.yaml", "              - 10.0.0.0/8\n", "",
        object="NetworkPolicy/outside", field="spec", reason="escalation-worker to 10.85.85.85 of 10.0.0.0/8, TCP 443",
    ),
    broken(
        "events posted into the cluster", f"{NETWORK}/webhooks.yaml", "              - 10.0.0.0/8\n", "",
        object="NetworkPolicy/webhooks", field="spec", reason="intake-worker to 10.85.85.85 of 10.0.0.0/8, TCP 443",
    ),
    broken(
        "events that stay inside", f"{NETWORK}/kustomization.yaml", "  - webhooks.yaml\n", "",
        object="NetworkPolicy/(none)", field="spec", reason="intake-worker to the world, TCP 443 is needed",
    ),
    broken(
        "events posted by an API", f"{NETWORK}/webhooks.yaml", "app.kubernetes.io/component: worker}",
        "app.kubernetes.io/part-of: frontline}",
        object="NetworkPolicy/webhooks", field="spec", reason="intake-api to the world, TCP 443 passes",
    ),
    broken(
        "everybody outside", f"{NETWORK}/outside.yaml", "{app.kubernetes.io/name: escalation, ", "{",
        object="NetworkPolicy/outside", field="spec", reason="feedback-worker to the world, TCP 443",
    ),
    broken(
        "nothing denied", f"{NETWORK}/kustomization.yaml", "  - deny.yaml\n", "",
        object="NetworkPolicy/deny", field="spec", reason="a pod that nobody thought of",
    ),
    *(
        broken(
            f"webhooks into {excepted}", f"{NETWORK}/outside.yaml", f"              - {excepted}\n", instead,
            object="NetworkPolicy/outside", field="spec", reason=f"of {excepted}, TCP 25 passes and must not",
        )
        for excepted, instead in (
            ("172.16.0.0/12", "              - 172.16.0.0/13\n"), ("192.168.0.0/16", ""), ("100.64.0.0/10", ""),
            ("169.254.0.0/16", "              - 169.254.169.254/32\n"), ("fc00::/7", "              - fc00::/8\n"),
            ("64:ff9b::/96", ""),
        )
    ),
    broken(
        "webhooks by any port", f"{NETWORK}/outside.yaml", "        - {protocol: TCP, port: 443}\n",
        "        - {protocol: TCP, port: 443, endPort: 9999}\n",
        object="NetworkPolicy/outside", field="spec", reason="escalation-worker to the world, TCP 8080 passes",
    ),
    broken(
        "a port of its own to the world", f"{NETWORK}/outside.yaml", "port: 465", "port: 6379",
        object="NetworkPolicy/outside", field="spec", reason="escalation-worker to the world, TCP 6379 passes",
    ),
    broken(
        "an API for the whole world", f"{NETWORK}/gateway.yaml", "    - from:\n",
        "    - from:\n        - ipBlock: {cidr: 0.0.0.0/0}\n",
        object="NetworkPolicy/gateway", field="spec", reason="the world to escalation-api, TCP 8000 passes",
    ),
    broken(
        "admin pages for each other", f"{NETWORK}/monitoring.yaml",
        "policyTypes: [Ingress]\n  ingress:\n    - from:\n",
        "policyTypes: [Ingress, Egress]\n  egress:\n    - to: [{podSelector: {}}]\n  ingress:\n    - from:\n"
        "        - podSelector: {}\n",
        object="NetworkPolicy/monitoring", field="spec", reason="escalation-api to escalation-api, TCP 9000 passes",
    ),
    broken(
        "any port of the brokers", f"{NETWORK}/kafka.yaml", "        - {protocol: TCP, port: 9092}\n",
        "        - {protocol: TCP, port: 9092}\n        - {protocol: TCP, port: 9091}\n",
        object="NetworkPolicy/kafka", field="spec", reason="escalation-worker to Kafka, TCP 9091 passes",
    ),
    broken(
        "any port of PostgreSQL's pods", f"{NETWORK}/postgresql.yaml",
        "      ports:\n        - {protocol: TCP, port: 5432}\n", "",
        object="NetworkPolicy/postgresql", field="spec", reason="escalation-api to PostgreSQL, TCP 8000 passes",
    ),
    broken(
        "calls that nobody makes", f"{NETWORK}/peers.yaml", "values: [escalation]", "values: [escalation, feedback]",
        object="NetworkPolicy/routing-calls, routing-is-called", field="spec",
        reason="feedback-api to routing-api, TCP 8000 passes",
    ),
)  # fmt: skip
