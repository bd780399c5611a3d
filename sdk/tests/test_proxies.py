"""Through a proxy or past it: which of them, as seen by a small one on this machine."""

import base64
import contextlib
import logging
import select
import shutil
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import urllib3

from watchkeeper import Backoff, Watchkeeper
from watchkeeper.proxies import proxy_of

DEADLINE_S = 10.0
KEY = "wk_secret"
PROXY = "http://proxy.example:3128"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Of http: the whole address is in the request line."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.admit():
            return
        names = ("Authorization", "Content-Type", "Content-Encoding")
        with urllib3.PoolManager() as pool:
            answer = pool.request(
                "POST",
                self.server.target + urlsplit(self.path).path,
                body=body,
                headers={name: self.headers[name] for name in names},
            )
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.data)))
        self.end_headers()
        self.wfile.write(answer.data)

    def do_CONNECT(self):
        """Of https: bytes in both directions until one side has enough."""
        if not self.admit():
            return
        target = urlsplit(self.server.target)
        with socket.create_connection((target.hostname, target.port)) as far:
            self.send_response(200)
            self.end_headers()
            ways = {self.connection: far, far: self.connection}
            while True:
                for side in select.select(list(ways), [], [], DEADLINE_S)[0]:
                    piece = side.recv(65_536)
                    if not piece:
                        self.close_connection = True
                        return
                    ways[side].sendall(piece)

    def admit(self):
        self.server.seen.append((self.requestline, dict(self.headers)))
        if not self.server.password:
            return True
        expected = "Basic " + base64.b64encode(self.server.password.encode()).decode()
        if self.headers["Proxy-Authorization"] == expected:
            return True
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def handle(self):
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(running):
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        thread.join(DEADLINE_S)
        running.server_close()


@pytest.fixture
def proxy(server):
    """Leads to the one server, whatever host it is asked for."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    running.target, running.password, running.seen = server.url, "", []
    running.url = f"http://127.0.0.1:{running.server_port}"
    with serving(running):
        yield running


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch.setenv


@pytest.fixture
def make():
    made = []

    def client(url, **options):
        defaults = {"app": "support", "flush_interval": 60.0, "backoff": Backoff(0.001, 0.002)}
        made.append(Watchkeeper(url, KEY, **{**defaults, **options}))
        return made[-1]

    yield client
    for wk in made:
        wk.shutdown(0.5)


def send_one(wk):
    wk.record(task="t")
    assert wk.flush().complete
    assert wk.stats().stored == 1


def test_the_proxy_that_the_environment_names_is_used(server, proxy, make, environment):
    environment("HTTP_PROXY", proxy.url)
    send_one(make("http://watchkeeper.example"))
    [(line, _)] = proxy.seen
    assert line == "POST http://watchkeeper.example/v1/samples HTTP/1.1"
    assert server.requests[0][1]["Authorization"] == f"Bearer {KEY}"


def test_a_server_on_this_machine_is_reached_directly(server, make, environment):
    environment("HTTP_PROXY", "http://127.0.0.1:1")
    send_one(make(server.url))
    send_one(make(server.url.replace("127.0.0.1", "localhost")))


def test_the_proxy_that_was_asked_for_is_used_even_on_this_machine(server, proxy, make):
    send_one(make(server.url, proxy=proxy.url))
    send_one(make(server.url, proxy=proxy.url.replace("http://", "")))
    assert len(proxy.seen) == 2


def test_none_is_used_where_none_is_asked_for(server, proxy, make, environment):
    environment("HTTP_PROXY", proxy.url)
    send_one(make(server.url, proxy=""))
    assert proxy_of("http://watchkeeper.example", "") is None
    assert proxy.seen == []


def test_name_and_password_reach_the_proxy_and_no_log(proxy, make, environment, caplog):
    proxy.password = "user:p@ss"
    place = f"user:p%40ss@127.0.0.1:{proxy.server_port}"
    environment("HTTP_PROXY", f"http://{place}")
    wk = make("http://watchkeeper.example")
    send_one(wk)
    assert "p%40ss" not in repr(wk) + repr(wk._settings) + caplog.text


def test_a_proxy_that_refuses_is_an_outage_and_loses_nothing(proxy, make, caplog):
    proxy.password = "user:right"
    wk = make("http://watchkeeper.example", proxy=proxy.url)
    wk.record(task="t")
    assert not wk.flush(0.2).complete
    assert wk.stats().queued == 1
    proxy.password = ""
    assert wk.flush().complete
    assert "check url, api_key, app and proxy" in caplog.text


@pytest.fixture
def secure_server(server, proxy, tmp_path, environment):
    """The server once more, under TLS, with a certificate of its own for watchkeeper.example."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=watchkeeper.example", "-keyout", str(key), "-out", str(certificate)),
        *("-addext", "subjectAltName=DNS:watchkeeper.example"),
    )
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure = type(server)()
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    proxy.target = f"https://127.0.0.1:{secure.server_port}"
    environment("SSL_CERT_FILE", str(certificate))
    with serving(secure):
        yield secure


def test_https_goes_through_a_tunnel_that_never_sees_the_key(
    secure_server, proxy, make, environment
):
    proxy.password = "user:pass"
    environment("HTTPS_PROXY", f"http://user:pass@127.0.0.1:{proxy.server_port}")
    send_one(make("https://watchkeeper.example"))
    [(line, headers)] = proxy.seen
    assert line.startswith("CONNECT watchkeeper.example:443 ")
    assert KEY not in str(headers)
    assert secure_server.requests[0][1]["Authorization"] == f"Bearer {KEY}"
    assert "Proxy-Authorization" not in secure_server.requests[0][1]


@pytest.mark.parametrize(
    ("url", "is_used"),
    [
        ("http://watchkeeper.example", True),
        ("https://watchkeeper.example", False),  # HTTP_PROXY is not for it
        ("http://in.corp.example", False),
        ("http://corp.example:8080/below", False),
        ("http://10.0.0.1", False),
        ("http://10.0.0.2", True),
        ("http://other.example:9000", False),
        ("http://other.example:9001", True),
        ("http://LOCALHOST:8000", False),
        ("http://app.localhost", False),
        ("http://127.9.9.9", False),
        ("http://[::1]:8000", False),
        ("http://[2001:db8::1]:8000", True),
    ],
)
def test_who_is_exempt(environment, url, is_used):
    environment("HTTP_PROXY", "proxy.example:3128")
    environment("NO_PROXY", ".corp.example, 10.0.0.1, other.example:9000")
    assert proxy_of(url, None) == (PROXY if is_used else None)


def test_a_star_exempts_every_host(environment):
    environment("https_proxy", PROXY)
    assert proxy_of("https://watchkeeper.example", None) == PROXY
    environment("no_proxy", "*")
    assert proxy_of("https://watchkeeper.example", None) is None


def test_what_is_no_http_proxy_is_said_and_not_used(server, make, environment, caplog):
    environment("HTTP_PROXY", "socks5://user:secret@proxy.example")
    caplog.set_level(logging.DEBUG, logger="watchkeeper")
    make("http://watchkeeper.example")
    [line] = [r.getMessage() for r in caplog.records if r.name == "watchkeeper"]
    assert "not used" in line
    assert "secret" not in line


def test_a_wrong_argument_is_seen_at_construction():
    for wrong in ("socks5://user:secret@proxy.example", "http://", 3, "http://a:b"):
        with pytest.raises(ValueError, match="proxy must be the address") as raised:
            Watchkeeper("http://watchkeeper.example", KEY, app="a", proxy=wrong)
        assert "secret" not in str(raised.value)
