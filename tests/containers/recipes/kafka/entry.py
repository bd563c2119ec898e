"""Writes server.properties from KAFKA_* variables, formats the storage at the first start, then becomes the broker."""

import base64
import os
import subprocess
import uuid
from pathlib import Path

HOME = Path("/var/lib/kafka")
JAVA = "/opt/java/bin/java"
OPTIONS = [
    *os.environ.get("KAFKA_HEAP_OPTS", "-Xmx384m").split(),
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--enable-native-access=ALL-UNNAMED",
    "-Dlog4j2.configurationFile=/opt/kafka/log4j2.properties",
    "-cp",
    "/opt/kafka/jars/*",
]
NOT_PROPERTIES = {"KAFKA_HEAP_OPTS"}


def properties() -> dict[str, str]:
    """The settings: KAFKA_LOG_DIRS is log.dirs, as the usual image has it."""
    given = {
        name.removeprefix("KAFKA_").replace("_", ".").lower(): value
        for name, value in os.environ.items()
        if name.startswith("KAFKA_") and name not in NOT_PROPERTIES
    }
    return {"log.dirs": str(HOME / "data"), **given}


def cluster_id() -> str:
    """A new id in the form that Kafka gives UUIDs; a leading dash would be read as an option."""
    return "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


written = HOME / "server.properties"
written.write_text("".join(f"{name}={value}\n" for name, value in properties().items()))
if not (HOME / "data" / "meta.properties").exists():
    tool = [JAVA, *OPTIONS, "kafka.tools.StorageTool", "format", "-c", str(written), "-t", cluster_id()]
    subprocess.run(tool, check=True)
os.execv(JAVA, [JAVA, *OPTIONS, "kafka.Kafka", str(written)])  # noqa: S606 - this becomes the broker: signals reach it
