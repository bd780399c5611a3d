"""A server, in a process of its own, that takes what SDKs send and counts what arrived.

`POST /v1/samples` is answered as Watchkeeper does; any other path is taken for OTLP.
"""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import urlopen

import zstandard


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "ReceivingServer"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        body = _decoded(raw, self.headers.get("Content-Encoding", ""))
        if self.path == "/v1/samples":
            batch = json.loads(body)
            kept, rows = len(batch["samples"]), batch["call_counts"]
            self.server.arrived["samples"] += kept
            self.server.arrived["calls"] += sum(row["calls"] for row in rows)
            self._answer(202, _receipt(batch["batch_id"], kept, len(rows)))
        else:
            kind = "langfuse" if "/public/" in self.path else "otel"
            self.server.arrived[kind] += _spans(body)
            self._answer(200, {})

    def do_GET(self) -> None:
        self._answer(200, self.server.arrived)

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode() if content else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class ReceivingServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.arrived = {"samples": 0, "calls": 0, "otel": 0, "langfuse": 0}


@contextmanager
def receiving_server() -> Iterator[str]:
    """Yields its address."""
    command = [sys.executable, "-m", "benchmarks.receiving_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def arrived_at(url: str) -> dict[str, int]:
    with urlopen(url) as response:  # noqa: S310 - our own address
        counts: dict[str, int] = json.load(response)
        return counts


def _decoded(raw: bytes, encoding: str) -> bytes:
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    return gzip.decompress(raw) if encoding == "gzip" else raw


def _receipt(batch_id: str, samples: int, rows: int) -> dict[str, Any]:
    return {
        "batch_id": batch_id,
        "accepted": samples,
        "duplicate": 0,
        "rejected": 0,
        "counts_accepted": rows,
        "counts_rejected": 0,
        "signals_accepted": 0,
        "signals_rejected": 0,
        "rejections": [],
        "truncations": [],
        "sample_rates": {"default": None, "tasks": {}},
    }


def _spans(body: bytes) -> int:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
    )

    request = ExportTraceServiceRequest.FromString(body)
    return sum(len(scope.spans) for spans in request.resource_spans for scope in spans.scope_spans)


if __name__ == "__main__":
    listening = ReceivingServer()
    print(f"http://127.0.0.1:{listening.server_port}", flush=True)
    listening.serve_forever()
