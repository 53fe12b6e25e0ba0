"""A line between a browser and a server that counts its bytes, goes down and cuts answers short."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

CHUNK = 65536


class Line:
    """A relay on a port of its own; what it does to its calls can change at any moment."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.target = (str(parts.hostname), int(parts.port or 80))
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.up = True
        self.cuts = 0
        self.bytes = 0
        self.open: set[socket.socket] = set()
        threading.Thread(target=self._serve, daemon=True).start()

    def go_down(self) -> None:
        """Hang up every call, and take no more."""
        self.up = False
        for one in list(self.open):
            _hang_up(one)

    def come_up(self) -> None:
        """Take calls again."""
        self.up = True

    def cut(self, times: int) -> None:
        """Let so many requests reach the server and lose its answers."""
        self.cuts = times

    def close(self) -> None:
        """End it."""
        self.go_down()
        self.listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listening.accept()
                if not self.up:
                    _hang_up(near)
                    continue
                threading.Thread(target=self._call, args=(near,), daemon=True).start()

    def _call(self, near: socket.socket) -> None:
        far = socket.create_connection(self.target)
        self.open |= {near, far}
        threading.Thread(target=self._pump, args=(near, far, False), daemon=True).start()
        self._pump(far, near, True)
        self.open -= {near, far}

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while self.up and (data := source.recv(CHUNK)):
                if is_answer and self.cuts:
                    self.cuts -= 1
                    break
                self.bytes += len(data)
                sink.sendall(data)
        _hang_up(source)
        _hang_up(sink)


def _hang_up(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
