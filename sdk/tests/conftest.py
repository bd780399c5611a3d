"""A Watchkeeper server in miniature: stores batches by id, and fails on demand."""

import json
import socket
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from watchkeeper import Backoff, Watchkeeper
from watchkeeper.compression import decompressed

DEADLINE_S = 10.0
KEY = "wk_secret"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # 40 ms an answer otherwise, as its head and body are two writes
    server: "RecordingServer"

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if len(raw) < int(self.headers["Content-Length"]):  # killed while it sent
            self.close_connection = True
            return
        body = json.loads(decompressed(raw))
        plan = self.server.note(self.path, dict(self.headers), body, hash(raw))
        if plan == "hang":
            self.server.released.wait(DEADLINE_S)
            plan = 202
        if plan in (400, 413) and body["batch_id"] in self.server.batches:
            plan = 202  # a batch whose answer was lost is known to the server, and no bad request
        if plan == "close":  # stored, but the answer is lost
            self.server.store(body)
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        status, headers = plan if isinstance(plan, tuple) else (plan, {})
        answer = self.server.store(body) if status == 202 else {"title": "no", "status": status}
        content = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self):
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def log_message(self, *args):
        pass


class RecordingServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.plans = deque()  # 202, 500, (429, {"Retry-After": "1"}), "hang", "close"; then 202s
        self.always = None  # a plan that goes before all others
        self.refuse_samples_of_task = None
        self.fail_batches_of_task = None  # with a 500
        self.largest_body = None  # bytes of JSON; 413 beyond
        self.sample_rates = None
        self.released = threading.Event()
        self.changed = threading.Condition()
        self.requests = []
        self.batches = {}
        self.versions = {}  # of the bytes of each batch id

    def note(self, path, headers, body, version):
        with self.changed:
            self.requests.append((path, headers, body))
            self.versions.setdefault(body["batch_id"], set()).add(version)
            plan = self.always or (self.plans.popleft() if self.plans else 202)
            if any(sample["task"] == self.fail_batches_of_task for sample in body["samples"]):
                plan = 500
            if self.largest_body is not None and len(json.dumps(body)) > self.largest_body:
                plan = 413
            self.changed.notify_all()
            return plan

    def store(self, body):
        refused = {
            i
            for i, sample in enumerate(body["samples"])
            if sample["task"] == self.refuse_samples_of_task
        }
        with self.changed:
            is_new = body["batch_id"] not in self.batches
            kept = [s for i, s in enumerate(body["samples"]) if i not in refused]
            self.batches.setdefault(body["batch_id"], {**body, "samples": kept})
            self.changed.notify_all()
        return {
            "batch_id": body["batch_id"],
            "accepted": len(kept) if is_new else 0,
            "duplicate": 0 if is_new else len(kept),
            "rejected": len(refused),
            "counts_accepted": len(body["call_counts"]),
            "counts_rejected": 0,
            "signals_accepted": len(body.get("signals", [])),
            "signals_rejected": 0,
            "rejections": [{"pointer": f"/samples/{i}/task", "reason": "unknown"} for i in refused],
            **({} if self.sample_rates is None else {"sample_rates": self.sample_rates}),
        }

    def wait_for(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, DEADLINE_S), "the server never saw it"

    @property
    def samples(self):
        return [sample for batch in self.batches.values() for sample in batch["samples"]]

    @property
    def counts(self):
        return [row for batch in self.batches.values() for row in batch["call_counts"]]

    @property
    def counted(self):
        return sum(row["calls"] for row in self.counts)


@pytest.fixture
def server():
    running = RecordingServer()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.released.set()
    running.shutdown()
    thread.join(DEADLINE_S)
    running.server_close()


@pytest.fixture
def client(server):
    """Makes clients of the server that retry at once and send only when told to."""
    made = []

    def make(**options):
        defaults = {"app": "support", "flush_interval": 60.0, "backoff": Backoff(0.001, 0.002)}
        made.append(Watchkeeper(server.url, KEY, **{**defaults, **options}))
        return made[-1]

    yield make
    server.released.set()
    for wk in made:
        wk.shutdown(0.5)


@pytest.fixture
def balanced():
    """Asserts that the ledger adds up; returns it."""

    def check(wk):
        stats = wk.stats()
        settled = stats.stored + stats.sampled_out + sum(stats.dropped.values())
        assert stats.produced == settled + stats.queued
        assert stats.queued >= 0
        assert sum(stats.rejected.values()) == stats.dropped.get("rejected", 0)
        assert stats.counted + sum(stats.uncounted.values()) <= stats.produced
        return stats

    return check
