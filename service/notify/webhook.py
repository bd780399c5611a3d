"""Signed webhooks: JSON over HTTP POST, as Standard Webhooks (standardwebhooks.com) describes."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from service.domain.notifications import Channel, Message
from service.notify.contract import DeliveryError

DEADLINE = timedelta(seconds=10)
"""For the whole of a send. (A timeout of httpx is for each read, and a receiver that sends a byte
now and then never meets it.)"""
CONNECT_TIMEOUT = timedelta(seconds=5)
SECRET_PREFIX = "whsec_"  # noqa: S105 - it marks a secret, it is none
RETRIED = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Refusals that a later attempt can get past. Every other 4xx would be the same again."""


class WebhookSender:
    """Posts messages; threads can share one. `close` ends its connections.

    The requests run in an event loop of its own, in a thread: a blocking request cannot be ended
    from outside, a task can be cancelled wherever it waits.
    """

    def __init__(self, deadline: timedelta = DEADLINE) -> None:
        # At its level INFO, httpx logs every request with its URL, where a token can be.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._deadline_s = deadline.total_seconds()
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(self._deadline_s, connect=CONNECT_TIMEOUT.total_seconds()),
            # A redirected POST becomes a GET, and a message could go to somebody else.
            follow_redirects=False,
            headers={"user-agent": "watchkeeper", "content-type": "application/json"},
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="webhook", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the connections that are kept open."""
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def send(self, channel: Channel, message: Message, *, now: datetime) -> None:
        """See `Sender.send`."""
        body = json.dumps(message.payload, ensure_ascii=False, allow_nan=False).encode()
        request = self._post(channel.url, body, _headers(channel, message.id, body, now))
        try:
            response = asyncio.run_coroutine_threadsafe(request, self._loop).result()
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._deadline_s:g} s") from None
        except httpx.ConnectError as error:
            raise DeliveryError(f"cannot connect: {error}") from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise DeliveryError(
                "the channel's URL is not one of HTTP; correct it in its Channel document",
                permanent=True,
            ) from None
        except httpx.HTTPError as error:
            # Only the kind: the text can quote what was sent, and so the URL.
            raise DeliveryError(f"the connection failed ({type(error).__name__})") from None
        _check(response, now)

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        async with (
            asyncio.timeout(self._deadline_s),
            self._client.stream("POST", url, content=body, headers=headers) as response,
        ):
            # Its body is left unread: its status says it all, and it can be endless.
            return response


def sign(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The `webhook-signature`: HMAC-SHA256 over `id.timestamp.body`."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    digest = hmac.new(_key_of(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key_of(secret: str) -> bytes:
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise DeliveryError(
            f"the channel's secret begins with {SECRET_PREFIX} but is not base64 after it",
            permanent=True,
        ) from None


def _headers(channel: Channel, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    timestamp = str(int(now.timestamp()))
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp}
    if channel.secret:
        headers["webhook-signature"] = sign(channel.secret, message_id, timestamp, body)
    return headers


def _check(response: httpx.Response, now: datetime) -> None:
    status = response.status_code
    if response.is_success:
        return
    if response.is_redirect:
        raise DeliveryError(
            f"HTTP {status}: the receiver redirects; give the channel its final URL",
            permanent=True,
        )
    raise DeliveryError(
        f"HTTP {status}",
        permanent=response.is_client_error and status not in RETRIED,
        retry_after=_retry_after(response.headers.get("retry-after", ""), now),
    )


def _retry_after(value: str, now: datetime) -> timedelta | None:
    """Seconds or an HTTP date (RFC 9110, 10.2.3); None where it is neither."""
    try:
        if value.isascii() and value.isdigit():
            return timedelta(seconds=int(value))
        at = parsedate_to_datetime(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return None
