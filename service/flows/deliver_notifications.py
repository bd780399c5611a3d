"""Send what the outbox holds: claim under a lease, commit, call outside, record what came of it."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Literal

import structlog
from sqlalchemy import Connection, Engine

from service.domain.incidents import IncidentEvent
from service.domain.notifications import Message, delivered, delivery_failed, next_attempt
from service.notify.contract import DeliveryError, Sender
from service.store import notifications
from service.store.incidents import add_event
from service.store.notifications import ClaimedNotification

LEASE = timedelta(minutes=1)
"""Much longer than any sender takes; a message whose process died is sent again after it."""
CHANNELS_AT_ONCE = 8
_LOOK_AGAIN_S = 1.0
"""While a receiver takes its time, messages come in for the others."""

Outcome = Literal["delivered", "postponed", "given_up"]
_log = structlog.get_logger()
_chance = SystemRandom().random


def deliver_notifications(
    engine: Engine,
    senders: Mapping[str, Sender],
    *,
    clock: Callable[[], datetime],
    public_url: str,
    is_stopping: Callable[[], bool] = lambda: False,
    chance: Callable[[], float] = _chance,
) -> Mapping[Outcome, int]:
    """Send all that is due; several processes can do this at once.

    To one channel one message after the other, to several channels at the same time: a receiver
    that is away holds up nobody else's pages.

    Args:
        senders: by the kind of channel; threads share them.
        clock: read before and after each call outside, which can take its time.
        public_url: where the links in messages lead.
        is_stopping: asked before each message; the rest waits for the next call.
        chance: spreads the retries; in [0, 1).
    """
    outcomes: Counter[Outcome] = Counter()
    sending: dict[Future[None], ClaimedNotification] = {}
    with ThreadPoolExecutor(CHANNELS_AT_ONCE, thread_name_prefix="deliver") as threads:
        while True:
            while len(sending) < CHANNELS_AT_ONCE and not is_stopping():
                now = clock()
                claimed = _claim(engine, sending.values(), now)
                if claimed is None:
                    break
                message = claimed.message.addressed(public_url)
                sending[threads.submit(_send, senders, claimed, message, now)] = claimed
            if not sending:
                return outcomes
            for sent in wait(sending, _LOOK_AGAIN_S, FIRST_COMPLETED).done:
                outcomes[_record(engine, sending.pop(sent), sent, clock(), chance)] += 1


def _claim(
    engine: Engine, sending: Collection[ClaimedNotification], now: datetime
) -> ClaimedNotification | None:
    busy_channels = {claimed.channel_id for claimed in sending}
    with engine.begin() as connection:
        return notifications.claim(connection, now=now, lease=LEASE, busy_channels=busy_channels)


def _send(
    senders: Mapping[str, Sender], claimed: ClaimedNotification, message: Message, now: datetime
) -> None:
    channel = claimed.channel
    if channel is None:
        raise DeliveryError("the channel was removed", permanent=True)
    sender = senders.get(channel.kind)
    if sender is None:
        raise DeliveryError(f"nothing sends to channels of kind '{channel.kind}'", permanent=True)
    try:
        sender.send(channel, message, now=now)
    except DeliveryError:
        raise
    except Exception as error:
        # A fault of one sender must not hold up the messages behind this one. Its text is not
        # shown, since nobody has seen to it that it holds nothing secret.
        raise DeliveryError(f"unexpected {type(error).__name__} while sending") from error


def _record(
    engine: Engine,
    claimed: ClaimedNotification,
    sent: Future[None],
    now: datetime,
    chance: Callable[[], float],
) -> Outcome:
    try:
        sent.result()
    except DeliveryError as error:
        return _record_failure(engine, claimed, error, now, chance())
    with engine.begin() as connection:
        if notifications.record_delivery(connection, claimed, now=now):
            _note(connection, claimed, delivered(claimed.message, _name_of(claimed), at=now))
    return "delivered"


def _record_failure(
    engine: Engine,
    claimed: ClaimedNotification,
    error: DeliveryError,
    now: datetime,
    chance: float,
) -> Outcome:
    name = _name_of(claimed)
    again_at = None
    if not error.permanent:
        again_at = next_attempt(
            attempts=claimed.attempts,
            created_at=claimed.created_at,
            now=now,
            chance=chance,
            retry_after=error.retry_after,
        )
    facts = {"channel": name, "message": claimed.message.id, "error": str(error)}
    with engine.begin() as connection:
        if again_at is not None:
            notifications.retry_later(connection, claimed, error=str(error), at=again_at)
            _log.warning("delivery_postponed", **facts, attempt=claimed.attempts)
            return "postponed"
        if notifications.give_up(connection, claimed, error=str(error), now=now):
            _note(connection, claimed, delivery_failed(claimed.message, name, str(error), at=now))
            _log.error("delivery_given_up", **facts, attempt=claimed.attempts)
        return "given_up"


def _note(connection: Connection, claimed: ClaimedNotification, event: IncidentEvent) -> None:
    if claimed.incident_id is not None:
        add_event(connection, claimed.incident_id, event)


def _name_of(claimed: ClaimedNotification) -> str:
    return claimed.channel.name if claimed.channel else "(removed)"
