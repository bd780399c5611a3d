"""Many HTTP connections from one cheap process, so that the load costs the measured side little."""

import asyncio
import multiprocessing
import time
from collections import Counter
from dataclasses import dataclass, field

import uvloop

_LIMIT_S = 60.0


@dataclass
class Load:
    """What became of the requests."""

    seconds: float = 0.0
    times_s: list[float] = field(default_factory=list)
    """Of each answer, from the request's first byte to the answer's head."""
    statuses: Counter[int] = field(default_factory=Counter)


def send_load(port: int, requests: list[bytes], connections: int) -> Load:
    """Send ready-made requests over so many connections at once, from a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_send, (port, requests, connections))


def request_of(body: bytes, *, key: str, path: str = "/v1/samples", encoding: str = "") -> bytes:
    """One HTTP/1.1 request as it goes over the wire."""
    encoded = f"Content-Encoding: {encoding}\r\n" if encoding else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\n{encoded}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Sends the next request when the last one is answered."""

    def __init__(self, waiting: list[bytes], load: Load) -> None:
        self._waiting, self._load = waiting, load
        self._began_s = 0.0
        self._answer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, separator, body = self._answer.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        self._load.times_s.append(time.perf_counter() - self._began_s)
        self._load.statuses[int(head[9:12])] += 1
        self._answer = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))

    def _next(self) -> None:
        if self._waiting:
            self._began_s = time.perf_counter()
            self._transport.write(self._waiting.pop())
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()


def _content_length(head: bytes) -> int:
    name = b"\r\ncontent-length: "
    begin = head.lower().index(name) + len(name)
    return int(head[begin:].split(b"\r\n", 1)[0])


def _send(port: int, requests: list[bytes], connections: int) -> Load:
    async def run() -> Load:
        load, loop = Load(), asyncio.get_running_loop()
        waiting = requests[::-1]
        begin = time.perf_counter()
        protocols = [
            (await loop.create_connection(lambda: _Connection(waiting, load), "127.0.0.1", port))[1]
            for _ in range(connections)
        ]
        async with asyncio.timeout(_LIMIT_S):
            await asyncio.gather(*(protocol.done for protocol in protocols))
        load.seconds = time.perf_counter() - begin
        return load

    return uvloop.run(run())
