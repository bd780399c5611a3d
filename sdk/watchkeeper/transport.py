"""One HTTP request to the server, and what its answer means for the batch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import urllib3

from watchkeeper.backoff import retry_after_s
from watchkeeper.compression import encoding_of
from watchkeeper.proxies import pool_through

_ANSWER_LIMIT = 4 * 1024 * 1024
_CONNECT_TIMEOUT_S = 5.0
# What is said of the batch itself, and would be said again: malformed, too large, not our format,
# invalid. Any other refusal is of the address, the key, the app or a proxy between: those can be
# mended, and the batch is good then.
_FINAL = frozenset({400, 413, 415, 422})


class NoAnswerError(Exception):
    """No answer came; the batch may or may not have been stored. Send it again, same id.

    `was_sent`: the server was reached, and may have failed at this very batch.
    """

    def __init__(self, cause: str, *, was_sent: bool) -> None:
        super().__init__(cause)
        self.was_sent = was_sent


@dataclass(frozen=True)
class Answer:
    status: int
    retry_after_s: float = 0.0
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def is_stored(self) -> bool:
        return self.status == 202

    @property
    def is_final(self) -> bool:
        """The same batch would be answered so for ever."""
        return self.is_stored or self.status in _FINAL

    @property
    def is_too_large(self) -> bool:
        """Less of the batch may well be taken."""
        return self.status == 413

    @property
    def is_away(self) -> bool:
        """Every batch would be answered so now."""
        return self.status in (401, 429, 503)

    @property
    def is_misdirected(self) -> bool:
        """Nobody is busy and nothing is broken: the client has the wrong key, address or app, until
        somebody mends that."""
        return not self.is_final and self.status < 500 and self.status != 429


class Transport:
    """Used by the courier's thread only."""

    def __init__(self, url: str, api_key: str, proxy: str | None = None) -> None:
        self._url = url.rstrip("/") + "/v1/samples"
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "User-Agent": "watchkeeper-sdk",
        }
        self._pool = pool_through(proxy)

    def post(self, body: bytes, timeout_s: float) -> Answer:
        try:
            response = self._pool.request(
                "POST",
                self._url,
                body=body,
                headers={**self._headers, "Content-Encoding": encoding_of(body)},
                timeout=urllib3.Timeout(connect=min(_CONNECT_TIMEOUT_S, timeout_s), read=timeout_s),
                retries=False,  # retries belong to the sender, which goes on collecting meanwhile
                redirect=False,  # the key goes to the address it was meant for, nowhere else
                preload_content=False,
            )
            content = response.read(_ANSWER_LIMIT)
            if len(content) < _ANSWER_LIMIT:
                response.release_conn()
            else:
                response.close()
        except Exception as error:
            raise NoAnswerError(type(error).__name__, was_sent=_was_sent(error)) from None
        return Answer(
            status=response.status,
            retry_after_s=retry_after_s(
                response.headers.get("Retry-After"), datetime.now(timezone.utc)
            ),
            body=_json_object(content),
        )

    def close(self) -> None:
        self._pool.clear()


def _was_sent(error: Exception) -> bool:
    lost = (urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError)
    return isinstance(error, lost)


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
