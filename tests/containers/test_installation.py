"""The platform in containers as the manifests say: what it is allowed, how it is probed, and how it stops."""

import json

import pytest

from tests.containers.installation import ContainedStack
from tests.support.stack import SERVICES
from tools.manifests.flows import CALLS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]
PROCESSES = [f"{service}-{component}" for service in SERVICES for component in ("api", "worker")]
_FOLDERS = ("/", "/opt/frontline", "/etc", "/var/tmp", "/etc/frontline/database", "/tmp")  # noqa: S108 - to be tried
_LOOK = """
import json, sys
status = dict(line.split(":", 1) for line in open("/proc/1/status") if ":" in line)
def writable(path):
    try:
        open(path + "/probe", "w").close()
    except OSError:
        return False
    return True
print(json.dumps({
    "uids": sorted({int(number) for number in status["Uid"].split()}),
    "gids": sorted({int(number) for number in (status["Gid"] + status["Groups"]).split()}),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no_new_privileges": int(status["NoNewPrivs"]),
    "seccomp": int(status["Seccomp"]),
    "written": [path for path in sys.argv[1:] if writable(path)],
}))
"""

_CONNECT = """
import os, socket, sys
from urllib.parse import urlsplit
for peer in sys.argv[1:]:
    url = urlsplit(os.environ[f"FRONTLINE_PEERS_{peer.upper()}_URL"])
    socket.create_connection((url.hostname, url.port), 5).close()
"""


@pytest.mark.parametrize("name", PROCESSES)
async def test_a_process_has_no_more_rights_than_its_manifest_gives(stack: ContainedStack, name: str) -> None:
    looked = stack.containers[name].exec(["python3", "-c", _LOOK, *_FOLDERS])
    assert looked.exit_code == 0, looked.output
    assert json.loads(looked.output) == {
        "uids": [10001],
        "gids": [10001],
        "capabilities": 0,
        "no_new_privileges": 1,
        "seccomp": 2,
        "written": [_FOLDERS[-1]],
    }


@pytest.mark.parametrize("name", PROCESSES)
async def test_the_probes_of_the_manifest_are_answered(stack: ContainedStack, name: str) -> None:
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert await stack.probe(name, probe) == 200, f"{probe}: {stack.log_of(name)}"


@pytest.mark.parametrize("caller", CALLS)
async def test_a_caller_reaches_its_peers_by_the_names_in_its_settings(stack: ContainedStack, caller: str) -> None:
    called = [peer.removesuffix("-api") for peer in CALLS[caller]]
    reached = stack.containers[caller].exec(["python3", "-c", _CONNECT, *called])
    assert reached.exit_code == 0, reached.output
