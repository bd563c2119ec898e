"""Free ports of the loopback address."""

import socket
import threading

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that lingers after a stop does not make the port taken, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def answers(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


class PortChooser:
    """Gives out ports, none twice. May be asked by several threads."""

    def __init__(self) -> None:
        """Nothing is given out yet."""
        self._given: set[int] = set()
        self._lock = threading.Lock()

    def choose(self, *preferred: int) -> int:
        """The first preferred port that is free, else one that the system picks. 0 stands for "no preference"."""
        with self._lock:
            port = next((port for port in preferred if self._usable(port)), 0) or self._any()
            self._given.add(port)
            return port

    def _usable(self, port: int) -> bool:
        return port != 0 and port not in self._given and is_free(port)

    def _any(self) -> int:
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.bind((LOOPBACK, 0))
                port = int(probe.getsockname()[1])
            if port not in self._given:
                return port
