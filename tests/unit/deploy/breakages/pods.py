"""Of what pods may do, and how they are probed and stopped."""

from tests.unit.deploy.breakages.breakage import LOCAL, POD, PROCESS, SETTINGS, broken

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
    broken(
        "a container that is root after all", POD, "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: false\n            runAsUser: 0",
        object="Deployment/intake-api", field="containers[0].securityContext.runAsUser", reason="before what the pod",
    ),
    broken(
        "a container that may be root", POD, "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: false\n            runAsNonRoot: false",
        object="Job/intake-migrate-0-1-0", field="containers[0].securityContext.runAsNonRoot", reason="before what",
    ),
    broken(
        "a container that may make any system call", POD, "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: false\n            seccompProfile: {type: Unconfined}",
        object="Deployment/intake-api", field="containers[0].securityContext.seccompProfile", reason="before what",
    ),
    broken(
        "a container that sees the node's /proc", POD, "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: false\n            procMount: Unmasked",
        object="Deployment/intake-api", field="containers[0].securityContext.procMount", reason="more than the image",
    ),
    broken(
        "a pod in the node's root group", POD, "runAsGroup: 10001",
        "runAsGroup: 10001\n        supplementalGroups: [0]",
        object="Deployment/intake-api", field="spec.securityContext.supplementalGroups", reason="nothing of the kind",
    ),
    *(
        broken(
            f"a {kind} beside the Deployments", "base/intake/serviceaccount.yaml", "Token: false\n",
            f"Token: false\n---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: stray}}\nspec: {{}}\n",
            object=f"{kind}/stray", field="kind", reason=f"nothing here looks into the pods of a {kind}",
        )
        for version, kind in (
            ("v1", "Pod"), ("batch/v1", "CronJob"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet")
        )
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
    broken(
        "something to run before SIGTERM", "base/api.yaml", "sleep: {seconds: 10}",
        "exec: {command: [python3, -c, 'import time; time.sleep(40)']}",
        object="Deployment/intake-api", field="lifecycle.preStop", reason="nobody knows how much of the time",
    ),
)  # fmt: skip
