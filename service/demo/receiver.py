"""Where the demo's messages arrive: a webhook receiver on a free port of this machine."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LARGEST_BYTES = 1_000_000


@contextmanager
def listen(take: Callable[[Mapping[str, Any]], None]) -> Iterator[str]:
    """Hand every message to `take`, on a thread; yields the receiver's URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = _read(self)
            if message is not None:
                take(message)
            self.send_response(HTTPStatus.BAD_REQUEST if message is None else HTTPStatus.NO_CONTENT)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing: the demo tells of messages itself."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/messages"
        finally:
            server.shutdown()
            thread.join()


def _read(request: BaseHTTPRequestHandler) -> Mapping[str, Any] | None:
    length = request.headers.get("Content-Length", "")
    if not length.isdecimal() or int(length) > _LARGEST_BYTES:
        return None
    try:
        message = json.loads(request.rfile.read(int(length)))
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
