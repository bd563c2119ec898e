"""Of what processes are told, and of the topics."""

from tests.unit.deploy.breakages.breakage import POD, SETTINGS, broken

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
    broken(
        "topics without the prefix that processes use", "overlays/local/settings/kustomization.yaml",
        "- FRONTLINE_INSTALLATION=local", "- FRONTLINE_KAFKA_TOPIC_PREFIX=acme.",
        object="KafkaTopic/acme.support.intake.v1", field="resources", reason="there are 0 of it",
    ),
    broken(
        "topics with a prefix that no process uses", "overlays/local/topics/kustomization.yaml",
        "namespace: kafka", "namespace: kafka\nnamePrefix: acme.",
        object="KafkaTopic/acme.support.intake.v1", field="metadata.name", reason="no service publishes acme.",
    ),
    broken(
        "a prefix for one service alone", "components/settings/routing.env", "FRONTLINE_ROUTING_LOG_RETENTION=7d",
        "FRONTLINE_KAFKA_TOPIC_PREFIX=acme.",
        object="Deployment/routing-worker", field="env FRONTLINE_KAFKA_TOPIC_PREFIX", reason="others' is empty",
    ),
    broken(
        "one copy of each record, for everybody", "topics/feedback.yaml", "replicas: 3", "replicas: 1",
        object="KafkaTopic/support.feedback.v1", field="spec.replicas", reason="one lost broker would lose events",
    ),
    broken(
        "copies that need not be in step", "topics/intake.yaml", "min.insync.replicas: 2", "min.insync.replicas: 1",
        object="KafkaTopic/support.intake.v1", field="min.insync.replicas", reason="of 3 copies 1 must be in step",
    ),
    broken(
        "events gone because there are many", "topics/routing.yaml", "retention.ms:",
        "retention.bytes: 1073741824\n    retention.ms:",
        object="KafkaTopic/support.routing.v1", field="spec.config.retention.bytes", reason="a busy day",
    ),
)  # fmt: skip
BROKERS = (
    broken(
        "TLS to the plain listener", SETTINGS, "FRONTLINE_LOG_LEVEL=info", "FRONTLINE_KAFKA_SECURITY_PROTOCOL=SSL",
        object="Deployment/intake-worker", field="env FRONTLINE_KAFKA_BOOTSTRAP", reason="9092 speaks plain text",
    ),
    broken(
        "plain text to the TLS listener", SETTINGS, ":9092", ":9093",
        object="Deployment/intake-worker", field="env FRONTLINE_KAFKA_BOOTSTRAP", reason="9093 speaks TLS",
    ),
)  # fmt: skip
