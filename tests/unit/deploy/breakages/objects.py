"""Of objects, and of what they name and select."""

from tests.unit.deploy.breakages.breakage import PROCESS, broken

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
    broken(
        "another service's database", "base/feedback/worker.yaml", "feedback-database", "intake-database",
        object="Deployment/feedback-worker", field="secretName", reason="is not for the runtime role of feedback",
    ),
    broken(
        "a process that owns its tables", "base/routing/api.yaml", "routing-database", "routing-database-owner",
        object="Deployment/routing-api", field="secretName", reason="is not for the runtime role of routing",
    ),
    broken(
        "a migration that owns nothing", "migrations/intake.yaml", "intake-database-owner", "intake-database",
        object="Job/intake-migrate-0-1-0", field="secretName", reason="is not for the owner role of intake",
    ),
    broken(
        "another caller's key", "base/feedback/api.yaml", "feedback-peers", "escalation-peers",
        object="Deployment/feedback-api", field="secretName", reason="is of another service than feedback",
    ),
    broken(
        "a key among the variables", "base/feedback/worker.yaml",
        "name: FRONTLINE_PEERS_KEY_FILE\n              value: /etc/frontline/peers/key",
        "name: FRONTLINE_PEERS_KEY\n              valueFrom: {secretKeyRef: {name: feedback-peers, key: key}}",
        object="Deployment/feedback-worker", field="env", reason="shows it to whoever lists them",
    ),
    broken(
        "a pod without its account", "base/feedback/worker.yaml", "      serviceAccountName: feedback\n", "",
        object="Deployment/feedback-worker", field="serviceAccountName", reason="that of all pods without one",
    ),
    broken(
        "a pod with another's account", "base/feedback/worker.yaml", "serviceAccountName: feedback",
        "serviceAccountName: intake",
        object="Deployment/feedback-worker", field="serviceAccountName", reason="granted to feedback is not",
    ),
)  # fmt: skip
PEERS = (
    broken(
        "a peer whose Service nobody makes", "components/settings/feedback.env", "http://intake:8000",
        "http://intake-api:8000",
        object="Deployment/feedback-worker", field="env FRONTLINE_PEERS_INTAKE_URL", reason="no Service intake-api",
    ),
    broken(
        "a peer at no port at all", "components/settings/feedback.env", "http://intake:8000", "http://intake:port",
        object="Deployment/feedback-worker", field="env FRONTLINE_PEERS_INTAKE_URL", reason="Port could not be cast",
    ),
    broken(
        "a peer at a port that its Service lacks", "base/intake/service.yaml", "port: 8000", "port: 80",
        object="Deployment/escalation-worker", field="env FRONTLINE_PEERS_INTAKE_URL", reason="no http at 8000",
    ),
    broken(
        "a peer by TLS that nobody speaks", "components/settings/escalation.env", "http://routing", "https://routing",
        object="Deployment/escalation-api", field="env FRONTLINE_PEERS_ROUTING_URL", reason="no https at 8000",
    ),
    broken(
        "calls that come to another service", "components/settings/escalation.env", "http://routing", "http://intake",
        object="Deployment/escalation-api", field="env FRONTLINE_PEERS_ROUTING_URL", reason="leads to intake",
    ),
    broken(
        "a Service by its name in another namespace", "overlays/local/settings/kustomization.yaml",
        "  - name: feedback-settings\n    behavior: merge\n    literals:\n",
        "  - name: feedback-settings\n    behavior: merge\n    literals:\n"
        "      - FRONTLINE_PEERS_ROUTING_URL=http://routing.support.svc:8000\n",
        object="Deployment/feedback-api", field="env FRONTLINE_PEERS_ROUTING_URL",
        reason="no Service routing.support.svc",
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
