"""Where the batches of all requests meet: committed together, bounded in what may wait."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from anyio import CapacityLimiter, to_thread
from sqlalchemy import Engine

from service import telemetry
from service.api.callers import Caller, Callers
from service.domain.calls import Batch
from service.errors import WatchkeeperError
from service.flows.ingest_batches import Post, Receipt, RevokedApiKeyError, ingest_batches
from service.store.apps import App

COMMITTERS = 2
"""Transactions at a time: while one waits for the disk, the next is written. More would only make
the groups smaller."""
WORTH_ANOTHER = 250
"""Items that wait when a second committer joins; fewer do better in one larger group."""
_TURNS = 3
"""Of the loop, before a group is closed: what has arrived already is read in them."""
GROUP_ITEMS = 2_000
"""A group is closed with the post that reaches this."""


class OverloadedError(WatchkeeperError):
    """More comes in than can be stored."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after_s = 1


class Guest:
    """A request's share of the room."""

    def __init__(self, room: "Room") -> None:
        self._room = room
        self.taken = 0

    def take(self, size: int) -> None:
        """Take this many bytes more.

        Raises:
            OverloadedError: There is no room for them.
        """
        if self._room.taken + size > self._room.size:
            raise OverloadedError(
                "More is waiting to be stored than this process may hold in memory; nothing of "
                "this request was stored; send it again"
            )
        self._room.taken += size
        self.taken += size


class Room:
    """How many bytes of bodies may be in memory at once."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0

    @contextmanager
    def guest(self) -> Iterator[Guest]:
        """Room for one request, given back with its answer."""
        guest = Guest(self)
        try:
            yield guest
        finally:
            self.taken -= guest.taken


@dataclass(frozen=True, slots=True)
class _Waiting:
    post: Post
    answer: "asyncio.Future[Receipt]"

    def settle(self, outcome: Receipt | Exception) -> None:
        if self.answer.done():  # its request was cancelled
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Intake:
    """Commits what comes in, several requests at a time.

    There is no waiting for company: what has arrived together, or comes while the committers are
    busy, makes up a group. So a lone request is stored at once, and the groups grow with the load.
    """

    def __init__(
        self,
        engine: Engine,
        callers: Callers,
        *,
        clock: Callable[[], datetime],
        retention_of: Callable[[App], timedelta],
    ) -> None:
        self._engine = engine
        self._callers = callers
        self._clock = clock
        self._retention_of = retention_of
        self._waiting: list[_Waiting] = []
        self._items = 0  # of those
        self._committing = 0
        # Of its own: slow readers of the API must not hold up what comes in.
        self._threads = CapacityLimiter(COMMITTERS)
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds them only weakly

    async def store(self, caller: Caller, batch: Batch) -> Receipt:
        """Store the batch. When this returns, it is committed.

        Raises:
            WatchkeeperError: It cannot be; nothing of it is stored.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(Post(caller.key.id, caller.app, batch), loop.create_future())
        self._waiting.append(waiting)
        self._items += batch.items
        if self._committing == 0 or (
            self._committing < COMMITTERS and self._items >= WORTH_ANOTHER
        ):
            self._committing += 1
            task = loop.create_task(self._commit())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await waiting.answer

    async def _commit(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        while group := self._take_group():
            outcomes: list[Receipt | Exception]
            try:
                posts = [item.post for item in group]
                outcomes = await to_thread.run_sync(self._ingest, posts, limiter=self._threads)
            except Exception as error:
                outcomes = [error] * len(group)
            for item, outcome in zip(group, outcomes, strict=True):
                item.settle(outcome)
        # In one step with having found nothing: who comes next starts a committer again.
        self._committing -= 1

    def _take_group(self) -> list[_Waiting]:
        size, count = 0, 0
        for count, item in enumerate(self._waiting, start=1):  # noqa: B007 - used after the loop
            size += item.post.batch.items
            if size >= GROUP_ITEMS:
                break
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        self._items -= size
        return group

    def _ingest(self, posts: list[Post]) -> list[Receipt | Exception]:
        outcomes = ingest_batches(
            self._engine,
            posts,
            now=self._clock(),
            retention_of=self._retention_of,
            used_at=self._callers.uses_to_note({post.key_id for post in posts}),
        )
        revoked = {
            post.key_id
            for post, outcome in zip(posts, outcomes, strict=True)
            if isinstance(outcome, RevokedApiKeyError)
        }
        if revoked:
            self._callers.forget(revoked)
        _count(outcomes)
        return outcomes


def _count(outcomes: Sequence[Receipt | Exception]) -> None:
    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    for name, counter in _COUNTERS.items():
        counter.inc(sum(getattr(receipt, name) for receipt in receipts))


_COUNTERS = {
    outcome: telemetry.ingested_samples.labels(outcome)
    for outcome in ("accepted", "duplicate", "rejected")
}
