"""One installation for the tests that look at the whole; each test opens tickets and agents of its own."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.servers import Servers
from tests.support.stack import Stack, running_stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    """Both services, api and worker apart, ready."""
    folder: Path = tmp_path_factory.mktemp("stack")
    async with running_stack(servers, folder) as running:
        yield running
