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
    yield from _check_image(installation)
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


def _check_image(installation: Installation) -> Iterator[Fault]:
    """What migrates is rendered apart from what runs, so an overlay can name the image for one and miss the other."""
    containers = [container for pod in installation.pods() for container in pod.containers()]
    images = [str(container.document.get("image", "")) for container in containers]
    for container, image in zip(containers, images, strict=True):
        if image != images[0]:
            reason = f"it is {image}, and {containers[0].pod.owner.name} runs {images[0]}"
            fix = "say the image in a component that the overlay and its migrations both list"
            yield container.fault("image", reason, fix)
