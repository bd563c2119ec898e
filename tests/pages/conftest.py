"""The survey page in a real browser: Chromium, without a network, against the service on a real database.

Chromium is no dependency that we can lock: it is found by $CHROMIUM, else on the path. Where there is none these tests
fail and say so, because a page that nobody has looked at must not count as looked at.
"""

import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.integration.feedback.conftest import Feedback, feedback, feedback_database
from tests.support.serving import serving

__all__ = ["feedback", "feedback_database"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_ARGUMENTS = (
    "--no-sandbox",  # the sandbox needs rights that a container rarely has; the pages are our own
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the pictures of the documentation go."""
    parser.addoption("--screenshots", default="", help="folder for the pictures; by default they are thrown away")


@pytest.fixture
def screenshots(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder for pictures."""
    wanted = str(request.config.getoption("--screenshots") or "")
    return Path(wanted) if wanted else tmp_path


@pytest.fixture
async def browser() -> AsyncGenerator[Browser]:
    """Chromium."""
    wanted = os.environ.get("CHROMIUM")
    found = next((place for name in ([wanted] if wanted else _NAMES) if (place := shutil.which(name))), None)
    if found is None:
        pytest.fail(f"there is no Chromium ({wanted or ', '.join(_NAMES)}): install one, or set CHROMIUM to its path")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=found, args=list(_ARGUMENTS))
        yield running
        await running.close()


@pytest.fixture
async def url(feedback: Feedback) -> AsyncGenerator[str]:
    """The service over HTTP."""
    async with serving(feedback.app) as address:
        yield address
