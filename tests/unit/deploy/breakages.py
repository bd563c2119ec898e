"""Ways to break the manifests, one by one, and the fault that must be found."""

from dataclasses import dataclass

POD = "components/restricted/pod.yaml"
PROCESS = "base/process.yaml"
SETTINGS = "components/settings/frontline.env"
NETWORK = "base/network"
LOCAL = "overlays/local/kustomization.yaml"


@dataclass(frozen=True, kw_only=True)
class Breakage:
    """One change, and whose fault at which field must be said, with which words in the reason."""

    name: str
    file: str
    old: str
    new: str
    object: str
    field: str
    reason: str


def broken(name: str, file: str, old: str, new: str, *, object: str, field: str, reason: str) -> Breakage:  # noqa: A002 - the word that a fault uses
    """One breakage."""
    return Breakage(name=name, file=file, old=old, new=new, object=object, field=field, reason=reason)


COMPLETENESS = (
    broken(
        "a service without an account", "base/routing/kustomization.yaml", "  - serviceaccount.yaml\n", "",
        object="ServiceAccount/routing", field="resources", reason="there are 0 of it",
    ),
    broken(
        "a database that nobody migrates", "migrations/kustomization.yaml", "  - feedback.yaml\n", "",
        object="Job/feedback-migrate", field="resources", reason="there are 0 of it",
    ),
    broken(
        "a service without a budget", "base/intake/kustomization.yaml", "  - disruptions.yaml\n", "",
        object="PodDisruptionBudget/intake-api", field="resources", reason="there are 0 of it",
    ),
)  # fmt: skip
SCHEMAS = (
    broken(
        "a misspelt field", "base/worker.yaml", "terminationGracePeriodSeconds", "terminationGraceSeconds",
        object="Deployment/intake-worker", field="spec.template.spec", reason="terminationGraceSeconds",
    ),
    broken(
        "text where a number belongs", PROCESS, "minReadySeconds: 10", 'minReadySeconds: "10"',
        object="Deployment/intake-api", field="spec.minReadySeconds", reason="is not of type",
    ),
    broken(
        "an API version that is gone", "base/intake/disruptions.yaml", "policy/v1", "policy/v1beta1",
        object="PodDisruptionBudget/intake-api", field="apiVersion", reason="knows no PodDisruptionBudget",
    ),
)  # fmt: skip
REFERENCES = (
    broken(
        "a Secret that nobody makes", "base/intake/api.yaml", "intake-database", "intake-postgres",
        object="Deployment/intake-api", field="secretName", reason="no Secret intake-postgres is promised",
    ),
    broken(
        "settings that are not generated", "base/intake/worker.yaml", "intake-settings", "intake-setings",
        object="Deployment/intake-worker", field="configMapRef.name", reason="there is no ConfigMap intake-setings",
    ),
    broken(
        "an account that is not there", "base/feedback/api.yaml", "serviceAccountName: feedback",
        "serviceAccountName: feedbck",
        object="Deployment/feedback-api", field="serviceAccountName", reason="there is no ServiceAccount feedbck",
    ),
    broken(
        "a Service to a port that no pod has", "base/routing/service.yaml", "targetPort: http", "targetPort: web",
        object="Service/routing", field="targetPort", reason="no pod behind it has a port web",
    ),
    broken(
        "a mount of a volume that the pod lacks", "base/api.yaml", "- name: clients\n              mountPath",
        "- name: client\n              mountPath",
        object="Deployment/intake-api", field="volumeMounts", reason="the pod has no volume client",
    ),
)  # fmt: skip
SELECTORS = (
    broken(
        "a Deployment that does not take its own pods", "base/intake/worker.yaml",
        "matchLabels:\n      app.kubernetes.io/name: intake\n", "matchLabels:\n      app.kubernetes.io/name: intakes\n",
        object="Deployment/intake-worker", field="spec.selector", reason="does not select its own pods",
    ),
    broken(
        "a Service that takes the workers too", "base/intake/service.yaml",
        "    app.kubernetes.io/component: api\n  ports", "  ports",
        object="Service/intake", field="spec.selector", reason="it takes the pods of intake-api, intake-migrate",
    ),
    broken(
        "a budget of nobody", "base/routing/disruptions.yaml",
        "matchLabels:\n      app.kubernetes.io/name: routing\n", "matchLabels:\n      app.kubernetes.io/name: router\n",
        object="PodDisruptionBudget/routing-api", field="spec.selector", reason="it takes no pod",
    ),
    broken(
        "a version in selectors", "components/release/kustomization.yaml",
        "includeSelectors: false", "includeSelectors: true",
        object="Deployment/intake-api", field="spec.selector", reason="a selector cannot",
    ),
)  # fmt: skip
SECURITY = (
    broken(
        "root", POD, "runAsNonRoot: true\n        runAsUser: 10001", "runAsUser: 0",
        object="Deployment/intake-api", field="securityContext.runAsNonRoot", reason="need no root",
    ),
    broken(
        "a writable root", POD, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false",
        object="Deployment/intake-api", field="readOnlyRootFilesystem", reason="write nothing but to /tmp",
    ),
    broken(
        "capabilities", POD, "drop: [ALL]", "drop: [NET_RAW]",
        object="Job/intake-migrate-0-1-0", field="capabilities.drop", reason="the services need none",
    ),
    broken(
        "a token", POD, "automountServiceAccountToken: false", "automountServiceAccountToken: true",
        object="Deployment/intake-api", field="automountServiceAccountToken", reason="Kubernetes API",
    ),
    broken(
        "a temporary folder without bounds", POD, "emptyDir:\n            sizeLimit: 64Mi", "emptyDir: {}",
        object="Deployment/intake-api", field="emptyDir.sizeLimit", reason="it could fill the node",
    ),
    broken(
        "a folder of the node", POD, "emptyDir:\n            sizeLimit: 64Mi", "hostPath:\n            path: /tmp",
        object="Deployment/intake-api", field="spec.volumes", reason="more than the services need",
    ),
    broken(
        "a namespace for anything", "overlays/local/namespace.yaml", "enforce: restricted", "enforce: baseline",
        object="Namespace/frontline", field="metadata.labels", reason="let in pods of any kind",
    ),
    broken(
        "a namespace that nobody makes", LOCAL, "namespace: frontline", "namespace: frontlines",
        object="Deployment/intake-api", field="metadata.namespace", reason="makes frontlines",
    ),
    broken(
        "migrations without the restrictions", "migrations/kustomization.yaml", "  - ../components/restricted\n", "",
        object="Job/intake-migrate-0-1-0", field="securityContext.seccompProfile", reason="the restricted profile",
    ),
)  # fmt: skip
PROBES = (
    broken(
        "liveness that asks the database", PROCESS, "path: /livez", "path: /readyz",
        object="Deployment/intake-api", field="livenessProbe.httpGet.path", reason="/readyz means something else",
    ),
    broken(
        "probes on the crowded port", PROCESS, "{path: /livez, port: admin}", "{path: /livez, port: http}",
        object="Deployment/intake-api", field="livenessProbe.httpGet.port", reason="taken for a dead one",
    ),
    broken(
        "too little time to start", PROCESS, "failureThreshold: 60", "failureThreshold: 10",
        object="Deployment/intake-worker", field="startupProbe", reason="it allows 20",
    ),
    broken(
        "a kill in the middle of a drain", "base/api.yaml", "GracePeriodSeconds: 45", "GracePeriodSeconds: 30",
        object="Deployment/intake-api", field="terminationGracePeriodSeconds", reason="are more than 30",
    ),
    broken(
        "a longer drain than there is time", SETTINGS, "DRAIN_TIMEOUT=20s", "DRAIN_TIMEOUT=2m",
        object="Deployment/intake-worker", field="terminationGracePeriodSeconds", reason="120 s of drain",
    ),
    broken(
        "requests to an API that has gone", "base/api.yaml", "sleep: {seconds: 10}", "sleep: {seconds: 1}",
        object="Deployment/intake-api", field="lifecycle.preStop", reason="requests still come",
    ),
)  # fmt: skip
VARIABLES = (
    broken(
        "a misspelt setting", SETTINGS, "FRONTLINE_LOG_LEVEL", "FRONTLINE_LOG_LEVL",
        object="Deployment/intake-api", field="env FRONTLINE_LOG_LEVL", reason="is not a setting",
    ),
    broken(
        "a duration without a unit", "components/settings/intake.env", "7d", "7",
        object="Deployment/intake-api", field="env FRONTLINE_INTAKE_REOPEN_WINDOW", reason="number with a unit",
    ),
    broken(
        "a setting that must be there", SETTINGS,
        "FRONTLINE_KAFKA_BOOTSTRAP=frontline-kafka-bootstrap.kafka.svc:9092\n", "",
        object="Deployment/routing-api", field="env FRONTLINE_KAFKA_BOOTSTRAP", reason="is required",
    ),
    broken(
        "a password for all to read", SETTINGS, "FRONTLINE_LOG_LEVEL=info",
        "FRONTLINE_KAFKA_SASL_PASSWORD=hunter2",
        object="ConfigMap/frontline-settings", field="data.FRONTLINE_KAFKA_SASL_PASSWORD", reason="this is a secret",
    ),
    broken(
        "another service's setting", "components/settings/routing.env", "FRONTLINE_ROUTING_LOG_RETENTION",
        "FRONTLINE_INTAKE_REOPEN_WINDOW",
        object="Deployment/routing-api", field="env FRONTLINE_INTAKE_REOPEN_WINDOW", reason="is not a setting",
    ),
    broken(
        "a file that no Secret puts there", POD, "value: /etc/frontline/database/url",
        "value: /etc/frontline/database/uri",
        object="Deployment/intake-api", field="env FRONTLINE_DATABASE_URL_FILE", reason="no Secret with such a key",
    ),
    broken(
        "a file of clients that is not mounted", "base/api.yaml", "value: /etc/frontline/clients/clients.json",
        "value: /etc/frontline/client/clients.json",
        object="Deployment/intake-api", field="env FRONTLINE_API_CLIENTS_FILE", reason="no Secret with such a key",
    ),
    broken(
        "the wrong process behind the labels", "base/escalation/worker.yaml", "args: [escalation, worker]",
        "args: [escalation, api]",
        object="Deployment/escalation-worker", field="args", reason="is not what the labels say",
    ),
)  # fmt: skip
TOPICS = (
    broken(
        "a topic that nobody makes", "topics/kustomization.yaml", "  - feedback.yaml\n", "",
        object="KafkaTopic/support.feedback.v1", field="resources", reason="there are 0 of it",
    ),
    broken(
        "another number of partitions", "topics/intake.yaml", "partitions: 24", "partitions: 12",
        object="KafkaTopic/support.intake.v1", field="spec.partitions", reason="the contract says 24",
    ),
    broken(
        "events gone before a consumer is back", "topics/routing.yaml", "1209600000", "604800000",
        object="KafkaTopic/support.routing.v1", field="spec.config.retention.ms", reason="away for 14 days",
    ),
    broken(
        "a topic without a cluster", "topics/intake.yaml", "    strimzi.io/cluster: frontline\n", "",
        object="KafkaTopic/support.intake.v1", field="metadata.labels", reason="no topic operator",
    ),
    broken(
        "relays that refuse the topics", SETTINGS, "PARTITIONS=24", "PARTITIONS=6",
        object="ConfigMap/frontline-settings", field="data.FRONTLINE_KAFKA_PARTITIONS", reason="the topics have 24",
    ),
)  # fmt: skip
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
)  # fmt: skip
BREAKAGES = (
    *COMPLETENESS, *SCHEMAS, *REFERENCES, *SELECTORS, *SECURITY, *PROBES, *VARIABLES, *TOPICS, *FLOWS, *AVAILABILITY,
    *RELEASES,
)  # fmt: skip
