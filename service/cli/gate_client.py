"""Asking a server for its gates, from a pipeline: with patience for its restarts, up to a time."""

from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

from service.errors import InvalidInputError, UnavailableError, WatchkeeperError

_TIMEOUT = httpx.Timeout(15, connect=5)
_DETAIL_CHARACTERS = 300


class GateUsageError(InvalidInputError):
    """The gate was asked for in a way that cannot work."""


class GateUnreachableError(UnavailableError):
    """The server could not be reached, or answers that it cannot say."""


class GateRefusedError(WatchkeeperError):
    """The server refuses to say."""


class GateClient:
    """One connection to one server."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = _checked_url(url)
        self._api_key = _checked_key(api_key)
        self._client = httpx.Client(
            timeout=_TIMEOUT, headers={"Authorization": f"Bearer {self._api_key}"}
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

    def ask(self, name: str, *, unknown: str) -> Mapping[str, Any]:
        """The gate of `[APP/]NAME`, as the server answers it.

        Raises:
            GateUnreachableError: no answer, or one that passes by itself.
            GateRefusedError: the key is refused, or there is no such SLO.
        """
        app, slash, slo = name.rpartition("/")
        asked = {"unknown": unknown} | ({"app": app} if slash else {})
        try:
            response = self._client.get(self._url.join(f"v1/slos/{slo}/gate"), params=asked)
        except httpx.TransportError as error:
            # Only the kind: the text may quote headers, and with them the key.
            raise GateUnreachableError(
                f"{self._url} cannot be reached ({type(error).__name__})"
            ) from None
        if response.status_code >= 500 or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise GateUnreachableError(f"{self._url} answers {_status(response)}")
        answer = _object(response)
        if response.status_code != HTTPStatus.OK or "counted_as" not in answer:
            detail = str(answer.get("detail") or "It does not answer like Watchkeeper; check --url")
            words = detail.replace(self._api_key, "(the key)")[:_DETAIL_CHARACTERS]
            raise GateRefusedError(f"{name}: {self._url} answers {_status(response)}. {words}")
        return answer


def _object(response: httpx.Response) -> Mapping[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _status(response: httpx.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()


def _checked_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url if url.endswith("/") else f"{url}/")
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise GateUsageError(f"--url {url!r} is no address like http://127.0.0.1:8000")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise GateUsageError("--url takes an address only: no user, no query, no fragment")
    return parsed


def _checked_key(api_key: str) -> str:
    if not api_key:
        raise GateUsageError("There is no API key: give --api-key or set WATCHKEEPER_API_KEY")
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise GateUsageError("The API key has characters that no key has; was it cut or quoted?")
    return api_key
