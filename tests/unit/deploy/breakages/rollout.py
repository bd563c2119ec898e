"""Of what keeps the service standing, and of what is of one release."""

from tests.unit.deploy.breakages.breakage import LOCAL, POD, broken

AVAILABILITY = (
    broken(
        "a node that never drains", "base/routing/disruptions.yaml", "maxUnavailable: 1", "minAvailable: 1",
        object="PodDisruptionBudget/routing-api", field="spec", reason="a drain of its node would hang",
    ),
    broken(
        "fewer APIs while one rolls out", "base/api.yaml", "maxUnavailable: 0", "maxUnavailable: 1",
        object="Deployment/intake-api", field="spec.strategy.rollingUpdate", reason="fewer processes",
    ),
    broken(
        "a limit of CPU", POD, "limits: {memory", "limits: {cpu: 100m, memory",
        object="Deployment/intake-api", field="resources.limits.cpu", reason="freezes the event loop",
    ),
    broken(
        "a migration that is cut off", "migrations/intake.yaml", "backoffLimit: 3",
        "backoffLimit: 3\n  activeDeadlineSeconds: 300",
        object="Job/intake-migrate-0-1-0", field="spec.activeDeadlineSeconds", reason="would be cut off",
    ),
    broken(
        "a spread that counts nobody", "base/intake/api.yaml",
        "            matchLabels:\n              app.kubernetes.io/name: intake\n",
        "            matchLabels:\n              app.kubernetes.io/name: intakes\n",
        object="Deployment/intake-api", field="topologySpreadConstraints[0].labelSelector", reason="other pods than",
    ),
    broken(
        "a spread without a selector", "base/intake/worker.yaml",
        "          labelSelector:\n            matchLabels:\n              app.kubernetes.io/name: intake\n"
        "              app.kubernetes.io/component: worker\n          matchLabelKeys: [pod-template-hash]\n", "",
        object="Deployment/intake-worker", field="topologySpreadConstraints[0].labelSelector", reason="or none",
    ),
    broken(
        "all on one node", "base/routing/api.yaml", "kubernetes.io/hostname", "topology.kubernetes.io/zone",
        object="Deployment/routing-api", field="topologySpreadConstraints", reason="may land on one node",
    ),
    broken(
        "a service without a process", LOCAL, "{name: routing-worker, count: 1}", "{name: routing-worker, count: 0}",
        object="Deployment/routing-worker", field="spec.replicas", reason="nobody would do its work",
    ),
)  # fmt: skip
RELEASES = (
    broken(
        "whatever is latest", "components/release/kustomization.yaml", "newTag: 0.1.0", "newTag: latest",
        object="Deployment/intake-api", field="image", reason="does not say which build runs",
    ),
    broken(
        "migrations that cannot be made again", "overlays/local/migrations/kustomization.yaml",
        "nameSuffix: -0-1-0\n", "",
        object="Job/intake-migrate", field="metadata.name", reason="a Job cannot be changed",
    ),
    broken(
        "pods of another release", "components/release/kustomization.yaml", "io/version: 0.1.0", "io/version: 0.0.9",
        object="Deployment/intake-api", field="metadata.labels", reason="it is 0.0.9",
    ),
    broken(
        "migrations by another image", "overlays/local/migrations/kustomization.yaml", "  - ../image\n", "",
        object="Job/intake-migrate-0-1-0", field="image", reason="and escalation-api runs registry.example",
    ),
    broken(
        "an image for the services alone", "overlays/local/kustomization.yaml", "replicas:\n",
        "images:\n  - {name: registry.example.com/frontline, newName: registry.example.com/mirror}\nreplicas:\n",
        object="Job/escalation-migrate-0-1-0", field="image", reason="runs registry.example.com/mirror:0.1.0",
    ),
)  # fmt: skip
