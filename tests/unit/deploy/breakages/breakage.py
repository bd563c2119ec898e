"""One way to break the manifests, and the fault that must be found."""

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
