"""The past of the simulated app, as bodies for `POST /v1/samples`."""

import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID

from service.demo.rhythm import call_times
from service.demo.support_app import (
    BEFORE_UPDATE,
    ENVIRONMENT,
    RELEASE,
    SimulatedCall,
    SupportApp,
    TaskName,
)

CALLS_PER_HOUR: tuple[tuple[TaskName, float], ...] = (("answer", 48), ("route", 16))
CALLS_PER_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class HistoryBatch:
    """A body to post, how many calls it holds, and the time of its latest."""

    body: bytes
    calls: int
    ends_at: datetime


def history(start: datetime, end: datetime, rng: Random) -> Iterator[HistoryBatch]:
    """All calls in [start, end), the oldest first."""
    app = SupportApp(rng)
    streams = [_times(task, start, end, per_hour, rng) for task, per_hour in CALLS_PER_HOUR]
    calls = (
        (called_at, app.call(task, BEFORE_UPDATE)) for called_at, task in heapq.merge(*streams)
    )
    while chunk := list(islice(calls, CALLS_PER_BATCH)):
        yield HistoryBatch(_body(chunk, rng), len(chunk), chunk[-1][0])


def _times(
    task: TaskName, start: datetime, end: datetime, per_hour: float, rng: Random
) -> Iterator[tuple[datetime, TaskName]]:
    return ((called_at, task) for called_at in call_times(start, end, per_hour, rng))


def _body(calls: Iterable[tuple[datetime, SimulatedCall]], rng: Random) -> bytes:
    samples = []
    counts: dict[tuple[str, ...], dict[str, Any]] = {}
    for called_at, call in calls:
        slice_ = _slice(call)
        samples.append(
            {
                **slice_,
                "sample_id": _uuid(rng),
                "called_at": called_at.isoformat(),
                "error_type": call.error_type,
                "prompt": call.prompt,
                "response": call.response,
                "latency_ms": call.latency_ms,
                **_usage(call),
                "keep_probability": 1.0,
            }
        )
        minute = called_at.replace(second=0, microsecond=0).isoformat()
        count = counts.setdefault(
            (minute, *slice_.values()), {"minute": minute, **slice_, "calls": 0}
        )
        for name, amount in {"calls": 1, **_usage(call)}.items():
            count[name] = count.get(name, 0) + amount
    document = {"batch_id": _uuid(rng), "samples": samples, "call_counts": [*counts.values()]}
    return json.dumps(document).encode()


def _slice(call: SimulatedCall) -> dict[str, str]:
    """What calls are counted by, beside their minute."""
    return {
        "environment": ENVIRONMENT,
        "release": RELEASE,
        "task": call.task,
        "model": call.model,
        "prompt_version": call.prompt_version,
        "outcome": "ok" if call.error_type is None else "error",
    }


def _usage(call: SimulatedCall) -> dict[str, float]:
    return {
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "cost_usd": call.cost_usd,
    }


def _uuid(rng: Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))
