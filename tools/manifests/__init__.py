"""Checks of the Kubernetes manifests in deploy/k8s, on what kustomize renders. Run as `python -m tools.manifests`."""
