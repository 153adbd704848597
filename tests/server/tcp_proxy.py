"""A TCP proxy on loopback that can lose its network: every connection is cut, and new ones are refused."""

import socket
import threading
from contextlib import suppress
from pathlib import Path


class TcpProxy:
    """Forwards connections to a Unix socket until it is closed."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._port = 0
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.restore()

    @property
    def port(self) -> int:
        return self._port

    def restore(self) -> None:
        """Listen, on the same port as before."""
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind(("127.0.0.1", self._port))
        self._listening.listen(64)
        self._port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def lose(self) -> None:
        """Cut everything; whoever connects is refused."""
        with self._lock:
            cut, self._open = [self._listening, *self._open], []
        for one in cut:
            with suppress(OSError):  # it is gone already
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                here, _ = listening.accept()
            except OSError:
                return
            there = socket.socket(socket.AF_UNIX)
            there.connect(str(self._target))
            with self._lock:
                self._open += [here, there]
            for source, sink in ((here, there), (there, here)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
