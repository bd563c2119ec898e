"""How much of the processors each process of an installation took."""

from urllib.parse import urlsplit

import psutil

from tests.support.stack import Stack


def read_cpu_s(stack: Stack) -> dict[str, float]:
    """Seconds of processor time so far, by process: the services', and the servers' where they run on this machine."""
    found = {name: psutil.Process(process.running.pid) for name, process in stack.processes.items() if process.running}
    ports = {
        "PostgreSQL": urlsplit(stack.servers.postgres_url).port,
        "Kafka": int(stack.servers.kafka_bootstrap.rpartition(":")[2]),
    }
    listening = {
        each.laddr.port: each.pid
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.pid
    }
    servers = {name: psutil.Process(listening[port]) for name, port in ports.items() if port in listening}
    return {name: _total_s(process) for name, process in (found | servers).items()}


def _total_s(process: psutil.Process) -> float:
    """With its children, those that have ended too: PostgreSQL makes one for each connection."""
    times = process.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        try:
            own = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += own.user + own.system
    return total
