"""Bodies: packed, cut off, blown up, and more of them than there is room for."""

import asyncio
import gzip
import os
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest
import zstandard
from sqlalchemy import Engine
from structlog.testing import capture_logs

from service.api.bodies import BodyTooLargeError, BrokenBodyError, read_body
from service.api.intake import Guest, OverloadedError, Room
from service.store import tables
from tests.api.asgi import request_of
from tests.posted import Door, batch_in, body_of, open_door, sample_in, stored
from tests.waiting import wait_for

LIMIT = 1_000_000
ROOM = 3_000_000
Pack = Callable[[bytes], bytes]


def zstd(body: bytes) -> bytes:
    """The frame says how large it is."""
    return zstandard.ZstdCompressor(level=1).compress(body)


def zstd_stream(body: bytes) -> bytes:
    """The frame does not say how large it is."""
    stream = zstandard.ZstdCompressor(level=1).compressobj()
    return stream.compress(body) + stream.flush()


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body, 1, mtime=0)


PACKED = [("gzip", gzipped), ("zstd", zstd), ("zstd", zstd_stream)]
packed = pytest.mark.parametrize(("encoding", "pack"), PACKED, ids=["gzip", "zstd", "zstd_stream"])


@pytest.fixture
def door(engine: Engine) -> Iterator[Door]:
    with open_door(engine, max_body_bytes=LIMIT, max_waiting_bytes=ROOM) as door:
        yield door


def send(door: Door, body: bytes, encoding: str) -> httpx.Response:
    return door.client.post("/v1/samples", content=body, headers={"Content-Encoding": encoding})


def problem_of(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return f"{answer.status_code} {answer.json()['detail']}"


def read(body: bytes, encoding: str, *, guest: Guest | None = None) -> bytes:
    guest = guest or Guest(Room(10 * LIMIT))
    return asyncio.run(read_body(request_of(body, encoding), guest, max_bytes=LIMIT))


@packed
def test_a_packed_batch_is_stored(door: Door, engine: Engine, encoding: str, pack: Pack) -> None:
    answer = send(door, pack(body_of(batch_in(sample_in(), sample_in()))), encoding)
    assert answer.json()["accepted"] == 2
    assert stored(engine, tables.samples) == 2


@packed
def test_a_body_is_unpacked_up_to_the_very_limit(encoding: str, pack: Pack) -> None:
    body = os.urandom(LIMIT // 100) * 100
    assert read(pack(body), encoding) == body
    with pytest.raises(BodyTooLargeError):
        read(pack(body + b"x"), encoding)


@packed
def test_a_body_that_ends_too_soon_is_refused(door: Door, encoding: str, pack: Pack) -> None:
    whole = pack(body_of(batch_in(*(sample_in() for _ in range(100)))))
    for cut in (1, 5, len(whole) // 2, len(whole) - 12, len(whole)):
        assert problem_of(send(door, whole[:-cut], encoding)).startswith("400 The body ")


@packed
def test_a_body_that_goes_on_is_refused(door: Door, encoding: str, pack: Pack) -> None:
    whole = pack(body_of(batch_in(sample_in())))
    for more in (b"\0", b"garbage", os.urandom(5_000), whole):
        assert "goes on after the end" in problem_of(send(door, whole + more, encoding))


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_what_was_never_packed_is_refused(encoding: str) -> None:
    for body in (b"", b"{}", os.urandom(100)):
        with pytest.raises(BrokenBodyError):
            read(body, encoding)


def bomb(encoding: str) -> bytes:
    """500 MB in a few hundred kilobytes."""
    blanks = (b" " * 1_000_000 for _ in range(500))
    packer = (
        zlib.compressobj(9, wbits=31)
        if encoding == "gzip"
        else zstandard.ZstdCompressor().compressobj()
    )
    return b"".join([*map(packer.compress, blanks), packer.flush()])


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_refused_in_little_memory(encoding: str) -> None:
    sent = bomb(encoding)
    assert len(sent) < LIMIT
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLargeError, match="after decompression; send smaller batches"):
            read(sent, encoding)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 80_000_000


def test_a_frame_that_wants_a_large_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(BrokenBodyError, match="too much memory"):
        read(stream.compress(b"{}") + stream.flush(), "zstd")


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "x" * 3_000])
def test_an_encoding_that_is_not_known_is_refused(door: Door, encoding: str) -> None:
    problem = problem_of(send(door, b"{}", encoding))
    assert problem.startswith("415 Content-Encoding")
    assert problem.endswith("is not supported; use gzip, zstd or none")
    assert len(problem) < 200


def test_what_a_body_is_called_may_be_written_in_any_case() -> None:
    assert read(gzipped(b"{}"), " GZIP ") == b"{}"


def begin(door: Door, size: int) -> socket.socket:
    """A request whose body of LIMIT bytes has only begun."""
    url = urlsplit(str(door.client.base_url))
    connection = socket.create_connection((url.hostname, url.port), timeout=30)
    head = (
        f"POST /v1/samples HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {door.secret}\r\n"
        f"Content-Length: {LIMIT}\r\n\r\n"
    )
    connection.sendall(head.encode() + b" " * size)
    return connection


def test_beyond_the_room_the_next_is_told_to_wait_and_then_fits(door: Door, engine: Engine) -> None:
    room, sizes = door.resources.room, (990_000, 990_000, 990_000)
    large = sample_in(prompt="x" * 50_000)
    with closing(begin(door, sizes[0])), closing(begin(door, sizes[1])):
        last = begin(door, sizes[2])
        wait_for(lambda: room.taken == sum(sizes), what="three bodies that have begun")
        answer = door.post(large)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["type"].endswith(":overloaded")
        assert stored(engine, tables.ingest_batches) == 0
        last.close()
        wait_for(lambda: room.taken == sum(sizes[:2]), what="the room of who hung up")
        assert door.post(large).json()["accepted"] == 1
    wait_for(lambda: room.taken == 0, what="an empty room")


def test_who_hangs_up_in_mid_body_is_no_error_of_ours(door: Door) -> None:
    room = door.resources.room
    with capture_logs() as logged:
        with closing(begin(door, 1_000)):
            wait_for(lambda: room.taken == 1_000, what="a body that has begun")
        wait_for(lambda: room.taken == 0, what="an empty room")
        assert door.post().status_code == 202
    assert logged == []


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"{", "identity"),
        (b"x" * (LIMIT + 1), "identity"),
        (b"plain", "gzip"),
        (gzipped(b" " * LIMIT * 2), "gzip"),
        (zstd(b" " * LIMIT * 2), "zstd"),
        (body_of(batch_in(app="another")), "identity"),
        (body_of(batch_in(sample_in(prompt="\x00"))), "identity"),
    ],
    ids=["no JSON", "too large", "no gzip", "gzip", "zstd", "another app", "carefully"],
)
def test_the_room_is_free_again_whatever_becomes_of_a_request(
    door: Door, body: bytes, encoding: str
) -> None:
    assert send(door, body, encoding).status_code != 503
    wait_for(lambda: door.resources.room.taken == 0, what="an empty room")


def test_what_is_unpacked_takes_room_too() -> None:
    room = Room(LIMIT // 2)
    with room.guest() as guest:
        sent = zstd(b" " * LIMIT)
        with pytest.raises(OverloadedError):
            read(sent, "zstd", guest=guest)
        assert room.taken == len(sent)
    assert room.taken == 0
