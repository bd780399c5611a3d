"""Tell a dead man's switch that we live: one short post, to an address that nobody may see."""

import logging
import time
from collections.abc import Callable

import httpx

from service.notify.contract import DeliveryError

_TIMEOUT = httpx.Timeout(5)
ATTEMPTS = 3
_PAUSE_S = 2.0


def post_heartbeat(
    url: str,
    *,
    attempts: int = ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Post until it is taken; gives up long before the next one is due.

    Raises:
        DeliveryError: it was not. Its text says how, and nothing of the address.
    """
    # At its level INFO, httpx logs every request with its URL.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    fault = "nothing was sent"
    with httpx.Client(timeout=_TIMEOUT, headers={"user-agent": "watchkeeper"}) as client:
        for attempt in range(attempts):
            if attempt:
                sleep(_PAUSE_S)
            fault = _try(client, url)
            if not fault:
                return
    raise DeliveryError(fault)


def _try(client: httpx.Client, url: str) -> str:
    """What went wrong; empty where nothing did."""
    try:
        # Its body is left unread: its status says it all, and it can be endless.
        with client.stream("POST", url) as response:
            return "" if response.is_success else f"HTTP {response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # Only the kind: the text can quote the address.
        return type(error).__name__
