"""A network between us and PostgreSQL, which tests interrupt."""

import socket
import threading


class Network:
    """A TCP address in front of PostgreSQL's socket, which can fall silent."""

    def __init__(self, socket_dir: str, *, port: int = 0) -> None:
        self._target = f"{socket_dir}/.s.PGSQL.5432"
        self._listener = socket.create_server(("127.0.0.1", port))
        self._ends: list[socket.socket] = [self._listener]
        self.flows = threading.Event()
        self.flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        self.flows.set()
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            self._ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                self.flows.wait()
                sink.sendall(piece)
        except OSError:
            pass
        finally:
            # Shut down, not closed: that would leave the other direction waiting.
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
