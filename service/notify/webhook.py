"""Signed webhooks: JSON over HTTP POST, as Standard Webhooks (standardwebhooks.com) describes."""

import base64
import binascii
import hashlib
import hmac
import json
import logging
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from service.domain.notifications import Channel, Message
from service.notify.contract import DeliveryError

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
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
    """Posts messages; threads can share one. `close` ends its connections."""

    def __init__(self) -> None:
        # At its level INFO, httpx logs every request with its URL, where a token can be.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._client = httpx.Client(
            timeout=TIMEOUT,
            # A redirected POST becomes a GET, and a message could go to somebody else.
            follow_redirects=False,
            headers={"user-agent": "watchkeeper", "content-type": "application/json"},
        )

    def close(self) -> None:
        """End the connections that are kept open."""
        self._client.close()

    def send(self, channel: Channel, message: Message, *, now: datetime) -> None:
        """See `Sender.send`."""
        body = json.dumps(message.payload, ensure_ascii=False, allow_nan=False).encode()
        headers = _headers(channel, message.id, body, now)
        try:
            # The answer's body is left unread: its status says it all, and it can be endless.
            with self._client.stream(
                "POST", channel.url, content=body, headers=headers
            ) as response:
                _check(response, now)
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
