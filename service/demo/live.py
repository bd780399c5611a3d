"""The present of the simulated app: calls at a steady pace, told to Watchkeeper by its SDK."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from time import monotonic

from watchkeeper import Stats, Watchkeeper

from service.demo.support_app import (
    AFTER_UPDATE,
    APP,
    BEFORE_UPDATE,
    ENVIRONMENT,
    RELEASE,
    SupportApp,
    TaskName,
)

# Of five calls four answer a question and one routes it.
_TURNS: tuple[TaskName, ...] = ("answer", "answer", "route", "answer", "answer")
_SHUTDOWN_S = 3.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast calls come, and when the model is updated (seconds after the first call)."""

    calls_per_second: float = 5
    update_after_s: float = 60


@contextmanager
def open_client(
    url: str, api_key: str, *, on_close: Callable[[Stats], None]
) -> Iterator[Watchkeeper]:
    """The SDK as an app uses it; what is still queued is sent at the end.

    `on_close` is then given the account of every call.
    """
    client = Watchkeeper(
        url, api_key, app=APP, environment=ENVIRONMENT, release=RELEASE, flush_interval=1.0
    )
    try:
        yield client
    finally:
        client.shutdown(_SHUTDOWN_S)
        on_close(client.stats())


def live_traffic(
    client: Watchkeeper, pace: Pace, rng: Random, *, pause: Callable[[float], None]
) -> Iterator[float]:
    """Make calls without end; yields, after each, the seconds since the first one."""
    app = SupportApp(rng)
    begun = due = monotonic()
    turn = 0
    while True:
        pause(due - monotonic())
        elapsed = monotonic() - begun
        behaviour = AFTER_UPDATE if elapsed >= pace.update_after_s else BEFORE_UPDATE
        call = app.call(_TURNS[turn % len(_TURNS)], behaviour)
        client.record(
            task=call.task,
            prompt=call.prompt,
            response=call.response,
            model=call.model,
            prompt_version=call.prompt_version,
            error=call.error_type,
            latency_ms=call.latency_ms,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            cost_usd=call.cost_usd,
        )
        yield elapsed
        turn += 1
        # After a pause of the whole machine we go on from here; there is no catching up.
        due = max(due + 1 / pace.calls_per_second, monotonic())
