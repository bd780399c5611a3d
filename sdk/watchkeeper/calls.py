"""One recorded call: as the app handed it over, and what every call is counted by."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any, NamedTuple

from watchkeeper import repair

_LATEST_EPOCH_S = 253_000_000_000.0  # late in the year 9987: the last `datetime` can hold
_ERROR_LIMIT = 2_000  # characters; masks come before it is cut to the length of a name

Call = tuple[Any, ...]
"""What `record()` appends; everything but the clock reading may be of any type. In this order:
recorded_at, called_at, task, model, prompt_version, error_type, input_tokens, output_tokens,
cost_usd, latency_ms; prompt, response, reference, finish_reason, session_id, user_id, attributes,
sample_id, flag, trace_id."""
COUNTED = 10  # fields at the head of a call, by which it is counted


class Facts(NamedTuple):
    """What a call is counted by, repaired."""

    called_at_s: float
    task: str
    model: str
    prompt_version: str
    outcome: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    latency_ms: float | None

    @property
    def minute(self) -> float:
        """Whole minutes since 1970, UTC."""
        return self.called_at_s // 60


def facts_of(call: Call, repairs: list[str]) -> Facts | None:
    """None where the call names no task: there is nothing that it could be counted under."""
    at, called_at, task, model, version, error, tokens_in, tokens_out, cost, latency = call[
        :COUNTED
    ]
    name = repair.as_name(task, "task", repairs)
    if not name:
        return None
    return Facts(
        called_at_s=_epoch_s(at, called_at, repairs),
        task=name,
        model=repair.as_name(model, "model", repairs) or "",
        prompt_version=repair.as_name(version, "prompt_version", repairs) or "",
        outcome="ok" if error is None else "error",
        input_tokens=repair.as_tokens(tokens_in, "input_tokens", repairs),
        output_tokens=repair.as_tokens(tokens_out, "output_tokens", repairs),
        cost_usd=repair.as_quantity(cost, "cost_usd", repairs),
        latency_ms=repair.as_quantity(latency, "latency_ms", repairs),
    )


def plain_facts(call: Call) -> Facts:
    """Of a call that `CallCounts.add_plain` has counted: nothing needs repair."""
    at, called_at, task, model, version, error, tokens_in, tokens_out, cost, latency = call[
        :COUNTED
    ]
    if called_at is not None:
        at = called_at.timestamp()
    outcome = "ok" if error is None else "error"
    return Facts(at, task, model, version, outcome, tokens_in, tokens_out, cost, latency)


def error_type_of(error: object) -> str | None:
    """The name under which an error is recorded; None where there was none.

    Only the type of an exception is kept: its message may quote the prompt, and its traceback
    would keep the app's frames alive while it waits in the queue.
    """
    if error is None or error is False:
        return None
    kind = type(error)
    if issubclass(kind, str):
        text = str.__str__(error)
        return text[:_ERROR_LIMIT] if text else None
    if issubclass(kind, BaseException):
        return kind.__name__
    return "error"


def snapshot(value: object) -> object:
    """A list or dict may be changed by the app while it waits: a list of messages, for one, gets
    the answer appended. Exact lists and dicts only, as copying those runs no code of the app."""
    kind = type(value)
    if kind is list or kind is dict:
        return value.copy()  # type: ignore[attr-defined]
    return value


def _epoch_s(recorded_at: float, moment: object, repairs: list[str]) -> float:
    if moment is None:
        return recorded_at
    try:
        if isinstance(moment, datetime):
            if moment.tzinfo is None:
                repairs.append("called_at")  # a naive time is taken as UTC
                moment = moment.replace(tzinfo=timezone.utc)
            seconds = moment.timestamp()
            if math.isfinite(seconds) and 0 <= seconds < _LATEST_EPOCH_S:
                return seconds
    except Exception:  # noqa: S110 - a tzinfo is code of the app
        pass
    repairs.append("called_at")
    return recorded_at
