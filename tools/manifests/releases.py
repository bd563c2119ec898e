"""That everything is of one release: the image, the version on each object, the names of the migrations."""

import re
from collections.abc import Iterator
from importlib.metadata import version

from tools.manifests.objects import Fault, Installation

_VERSION = "app.kubernetes.io/version"
_FIX = "say it in components/release, and as nameSuffix of the overlay's migrations"


def check(installation: Installation) -> Iterator[Fault]:
    """One image, pinned; and the version of this checkout."""
    release = version("frontline-common")
    for pod in installation.pods():
        if pod.labels.get(_VERSION) != release:
            reason = f"it is {pod.labels.get(_VERSION)}, and this is {release}"
            yield pod.owner.fault(f"{pod.path}.metadata.labels.{_VERSION}", reason, _FIX)
        for container in pod.containers():
            image = str(container.document.get("image", ""))
            if "@sha256:" not in image and not re.fullmatch(rf"(.+/)?frontline:{re.escape(release)}", image):
                yield container.fault("image", f"{image} does not say which build runs", f"pin it, or tag it {release}")
    for job in installation.of("Job"):
        if not job.name.endswith(f"-{release.replace('.', '-')}"):
            reason = f"a Job cannot be changed, so {release} needs a name of its own"
            yield job.fault("metadata.name", reason, _FIX)
