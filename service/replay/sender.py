"""Posting batches, with patience: what passes by itself is tried again, what does not is told."""

import gzip
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import httpx

from service.replay.errors import (
    BatchRefusedError,
    ReplayUsageError,
    ServerRefusedError,
    ServerUnreachableError,
)

_TIMEOUT = httpx.Timeout(60, connect=5)
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_DETAIL_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server that does not take a batch is asked again."""

    first_s: float = 15
    """Before it has answered at all: most likely it does not run, or the address is wrong."""
    later_s: float = 180
    """After it answered once: a restart, a deployment or a busy database."""
    pause_s: float = 0.5
    """The first pause; each is twice the one before."""
    longest_pause_s: float = 15


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a batch was not taken this time, and when the server wants to be asked again."""

    words: str
    retry_after_s: float = 0


class Sender:
    """One connection to one server. Posting a batch again is harmless: it carries its id."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        patience: Patience | None = None,
        on_wait: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = _checked_url(url)
        self._api_key = _checked_key(api_key)
        self._patience = patience or Patience()
        self._on_wait, self._sleep, self._clock = on_wait, sleep, clock
        self._has_answered = False
        self._client = httpx.Client(
            timeout=_TIMEOUT,
            headers={
                "Authorization": f"Bearer {self._api_key}",
                "Content-Type": "application/json",
                "Content-Encoding": "gzip",
            },
            # A proxy cannot reach the loopback address of this machine.
            trust_env=not _is_loopback(self._url.host),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def post(self, body: bytes) -> Mapping[str, Any]:
        """Post a batch until it is acknowledged; returns the receipt.

        Raises:
            ServerUnreachableError: Not within our patience.
            BatchRefusedError: The batch was refused as a whole.
            ServerRefusedError: The server refuses the key or the app, or is no Watchkeeper.
        """
        packed = gzip.compress(body, compresslevel=1, mtime=0)
        patience = self._patience
        begun = self._clock()
        pause = patience.pause_s
        while True:
            answer = self._try(packed)
            if not isinstance(answer, _Trouble):
                return answer
            wait = max(pause, answer.retry_after_s)
            limit = patience.later_s if self._has_answered else patience.first_s
            if self._clock() + wait > begun + limit:
                raise ServerUnreachableError(f"{self._url}: {answer.words}")
            self._on_wait(f"{answer.words}; trying again in {wait:.3g} s")
            self._sleep(wait)
            pause = min(2 * pause, patience.longest_pause_s)

    def _try(self, packed: bytes) -> Mapping[str, Any] | _Trouble:
        try:
            response = self._client.post(self._url.join("v1/samples"), content=packed)
        except httpx.ConnectError:
            return _Trouble("the server cannot be reached")
        except httpx.TimeoutException:
            return _Trouble("the server does not answer in time")
        except httpx.TransportError:
            # The texts of these may quote headers, and with them the key.
            return _Trouble("the connection broke")
        self._has_answered = True
        if response.status_code in _PASSING:
            wanted = _retry_after(response.headers)
            asks = f" and asks to wait {wanted:.0f} s" if wanted else ""
            return _Trouble(f"the server answers {_status(response)}{asks}", wanted)
        if response.status_code != HTTPStatus.ACCEPTED:
            raise self._refusal(response)
        return self._receipt(response)

    def _receipt(self, response: httpx.Response) -> Mapping[str, Any]:
        try:
            receipt = response.json()
        except ValueError:
            receipt = None
        if not isinstance(receipt, dict) or "accepted" not in receipt:
            raise ServerRefusedError(f"{self._url} does not answer like Watchkeeper; check --url")
        return receipt

    def _refusal(self, response: httpx.Response) -> ServerRefusedError:
        detail = self._detail(response)
        match response.status_code:
            case HTTPStatus.UNAUTHORIZED:
                return ServerRefusedError(
                    f"{self._url} refused the API key (401). Give a key of the app with --api-key "
                    "or WATCHKEEPER_API_KEY; `watchkeeper keys create --app APP` makes one"
                )
            case HTTPStatus.FORBIDDEN:
                return ServerRefusedError(
                    f"{self._url} refused the API key for this app (403). {detail}. "
                    "Check --app, or use a key of that app"
                )
            case HTTPStatus.REQUEST_ENTITY_TOO_LARGE | HTTPStatus.UNPROCESSABLE_ENTITY:
                return BatchRefusedError(
                    f"{self._url} refused a batch ({_status(response)}). {detail}. "
                    "If it is too large, run again with a smaller --batch-size"
                )
        return ServerRefusedError(f"{self._url} answers {_status(response)}. {detail}. Check --url")

    def _detail(self, response: httpx.Response) -> str:
        try:
            problem = response.json()
        except ValueError:
            problem = None
        detail = problem.get("detail") if isinstance(problem, dict) else None
        words = str(detail or "It gives no reason").replace(self._api_key, "(the key)")
        return words[:_DETAIL_CHARACTERS].rstrip(".")


def _checked_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url if url.endswith("/") else f"{url}/")
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ReplayUsageError(f"--url {url!r} is no address like http://127.0.0.1:8000")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ReplayUsageError("--url takes an address only: no user, no query, no fragment")
    return parsed


def _checked_key(api_key: str) -> str:
    if not api_key:
        raise ReplayUsageError("There is no API key: give --api-key or set WATCHKEEPER_API_KEY")
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ReplayUsageError("The API key has characters that no key has; was it cut or quoted?")
    return api_key


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _status(response: httpx.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()


def _retry_after(headers: httpx.Headers) -> float:
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0
