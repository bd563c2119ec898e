"""One installation of containers for all tests here. Where no engine answers they fail and say so."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.containers.engine import connected
from tests.containers.images import Images, prepare
from tests.containers.installation import ContainedStack, running_installation
from tools.manifests.objects import Installation
from tools.manifests.render import ROOT, render_installation


@pytest.fixture(scope="session")
def manifests() -> Installation:
    """The overlay that is run, as rendered."""
    return render_installation(ROOT, "local")


@pytest.fixture(scope="session")
def images(manifests: Installation) -> Images:
    """The servers' images, and the services' under the name that the manifests say."""
    (services,) = {container.document["image"] for pod in manifests.pods() for container in pod.containers()}
    with connected() as client:
        return prepare(client, services)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(
    images: Images, manifests: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[ContainedStack]:
    """The platform in containers, ready."""
    folder = tmp_path_factory.mktemp("secrets")
    for passed in (folder, folder.parent, folder.parent.parent):
        passed.chmod(0o755)  # the services' user reads what is mounted from here
    async with running_installation(images, manifests, folder) as running:
        yield running
