"""A model provider in miniature: answers with what a test has planned, as JSON or as a stream."""

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

DEADLINE_S = 10.0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Provider"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        plan = self.server.note(self.path, body)
        if plan.get("hang"):
            self.server.released.wait(DEADLINE_S)
        if "events" in plan:
            self.stream(plan)
        else:
            self.answer(plan)

    def answer(self, plan):
        content = json.dumps(plan["json"]).encode()
        self.send_response(plan.get("status", 200))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def stream(self, plan):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in plan["events"]:
            if event == "hang":
                self.server.released.wait(DEADLINE_S)
                continue
            if event == "break":  # the connection, in the middle of the stream
                self.close_connection = True
                return
            text = event if isinstance(event, str) else json.dumps(event)
            kind = (
                f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
            )
            self.chunk(f"{kind}data: {text}\n\n".encode())
        self.chunk(b"")

    def chunk(self, content):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def handle(self):
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def log_message(self, *args):
        pass


class Provider(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.plans = deque()  # {"json": ..., "status": ...} or {"events": [...]}, with "hang"
        self.released = threading.Event()
        self.arrived = threading.Event()
        self.requests = []

    def plan(self, **plan):
        self.plans.append(plan)

    def note(self, path, body):
        self.requests.append((path, body))
        self.arrived.set()
        return self.plans.popleft()


@pytest.fixture
def provider():
    running = Provider()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.released.set()
    running.shutdown()
    thread.join(DEADLINE_S)
    running.server_close()


@pytest.fixture
def recorded(server):
    """Flushes and gives the one sample that was recorded, which every call is counted by too."""

    def flush(wk):
        assert wk.flush().complete
        [sample] = server.samples
        assert server.counted == 1
        return sample

    return flush


@pytest.fixture
def made(provider):
    """Makes clients of the provider, or of nobody, that do not try again; closes those that can be
    closed without an event loop."""
    clients = []

    def make(kind, url=None):
        clients.append(kind(api_key="x", base_url=url or provider.url, max_retries=0))
        return clients[-1]

    yield make
    for each in clients:
        if hasattr(each, "__exit__"):
            each.close()


@pytest.fixture
def wrapping(client, made):
    """The client that records, and a recorded client of a provider."""

    def make(kind, url=None, **options):
        wk = client()
        return wk, wk.wrap(made(kind, url), task="answer", **options)

    return make
