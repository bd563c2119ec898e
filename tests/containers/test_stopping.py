"""How the processes stop, as the last of the tests here: nothing answers afterwards."""

import asyncio
import time

import pytest

from tests.containers.installation import ContainedStack
from tests.support.stack import SERVICES

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]
PROCESSES = [f"{service}-{component}" for component in ("api", "worker") for service in SERVICES]


@pytest.mark.parametrize("name", PROCESSES)
async def test_a_process_drains_within_the_grace_of_its_manifest(stack: ContainedStack, name: str) -> None:
    container = stack.containers[name].get_wrapped_container()
    pod = stack.pods[name]
    # A cluster takes the sleep before SIGTERM off the grace, and an engine knows no such sleep.
    (manifest,) = pod.containers()
    grace = pod.spec["terminationGracePeriodSeconds"] - (manifest.find("lifecycle.preStop.sleep.seconds") or 0)
    started = time.monotonic()
    await asyncio.to_thread(container.stop, timeout=grace)
    assert time.monotonic() - started < grace, stack.log_of(name)
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 0, stack.log_of(name)
    del stack.containers[name]  # the next one's messages need not carry its log
    container.remove()
