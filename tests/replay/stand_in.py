"""A small HTTP server in the API's place: it reads batches as the API does, and can misbehave."""

import gzip
import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from uuid import UUID

from service.api.schemas.batches import read_batch_carefully
from service.domain.calls import Batch, NewSample

KEY = "wk_secret_of_the_tests"


@dataclass
class StandIn:
    """What was posted, and what to do with the next posts."""

    url: str = ""
    posts: list[UUID] = field(default_factory=list)
    stored: dict[UUID, Batch] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]] | str] = field(default_factory=list)
    """For the next posts, in order: a status with headers, `store` (as without trouble), `drop`
    (nothing stored, connection closed), `store and drop`, or `store and hang` (never answered)."""
    always: tuple[int, dict[str, str]] | None = None
    refuse: Callable[[NewSample], str | None] = lambda _: None
    hanging: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    @property
    def samples(self) -> list[NewSample]:
        """Every stored sample, in the order of the posts."""
        return [sample for batch in self.stored.values() for sample in batch.samples.values()]

    @property
    def calls(self) -> int:
        """All calls that were counted."""
        return sum(count.calls for batch in self.stored.values() for count in batch.counts.values())

    def expect_each_call_once(self, calls: int) -> None:
        """Each call is stored once and counted once."""
        ids = Counter((sample.sample_id, sample.called_at) for sample in self.samples)
        assert len(ids) == calls
        assert set(ids.values()) <= {1}
        assert self.calls == calls

    def next_answer(self) -> tuple[int, dict[str, str]] | str:
        """What to do with a post that has come."""
        return self.answers.pop(0) if self.answers else self.always or "store"

    def take(self, body: bytes) -> dict[str, Any]:
        """Store a batch, once, and return the receipt."""
        batch = read_batch_carefully(body, max_items=5000)
        assert batch.app == "support"
        rejections = [(r.pointer, r.reason) for r in batch.rejections]
        for index, sample in list(batch.samples.items()):
            if reason := self.refuse(sample):
                rejections.append((f"/samples/{index}/called_at", reason))
                del batch.samples[index]
        is_new = batch.batch_id not in self.stored
        self.posts.append(batch.batch_id)
        self.sizes.append(len(body))
        self.stored.setdefault(batch.batch_id, batch)
        return {
            "batch_id": str(batch.batch_id),
            "accepted": len(batch.samples) if is_new else 0,
            "duplicate": 0 if is_new else len(batch.samples),
            "rejected": sum(pointer.startswith("/samples") for pointer, _ in rejections),
            "counts_accepted": len(batch.counts),
            "counts_rejected": sum(pointer.startswith("/call") for pointer, _ in rejections),
            "rejections": [{"pointer": p, "reason": r} for p, r in rejections],
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer waits 40 ms for a delayed acknowledgement
    stand_in: StandIn

    def do_POST(self) -> None:
        body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        authorization = self.headers["Authorization"]
        if authorization != f"Bearer {KEY}":
            self.reply(401, {"detail": f"not a key: {authorization}"})
            return
        with self.stand_in.lock:
            answer = self.stand_in.next_answer()
            receipt = self.stand_in.take(body) if "store" in answer else None
        if isinstance(answer, tuple):
            self.reply(answer[0], {"detail": f"because of {authorization}"}, answer[1])
        elif answer == "store":
            self.reply(202 if self.path == "/v1/samples" else 404, receipt)
        else:
            self.leave(hanging="hang" in answer)

    def leave(self, *, hanging: bool) -> None:
        """Close the connection without an answer, or once the other side is gone."""
        self.close_connection = True
        with suppress(OSError):
            if hanging:
                self.stand_in.hanging.set()
                self.connection.recv(1)
            self.connection.shutdown(socket.SHUT_RDWR)

    def reply(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """A stand-in that listens."""
    stand_in = StandIn()
    handler = type("Handler", (_Handler,), {"stand_in": stand_in})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
