"""One recorded call: as the app handed it over, and what every call is counted by."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import NamedTuple

from watchkeeper import repair

_LATEST_EPOCH_S = 253_000_000_000.0  # late in the year 9987: the last `datetime` can hold


class Call(NamedTuple):
    """The tuple that `record()` appends. Everything but the clock reading may be of any type."""

    recorded_at: float
    called_at: object
    task: object
    model: object
    prompt_version: object
    error_type: object
    input_tokens: object
    output_tokens: object
    cost_usd: object
    prompt: object
    response: object
    reference: object
    latency_ms: object
    finish_reason: object
    session_id: object
    user_id: object
    attributes: object
    sample_id: object


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

    @property
    def minute(self) -> int:
        """Whole minutes since 1970, UTC."""
        return int(self.called_at_s // 60)


def facts_of(call: Call, repairs: list[str]) -> Facts | None:
    """None where the call names no task: there is nothing that it could be counted under."""
    task = repair.as_name(call.task, "task", repairs)
    if not task:
        return None
    return Facts(
        called_at_s=_epoch_s(call, repairs),
        task=task,
        model=repair.as_name(call.model, "model", repairs) or "",
        prompt_version=repair.as_name(call.prompt_version, "prompt_version", repairs) or "",
        outcome="ok" if call.error_type is None else "error",
        input_tokens=repair.as_tokens(call.input_tokens, "input_tokens", repairs),
        output_tokens=repair.as_tokens(call.output_tokens, "output_tokens", repairs),
        cost_usd=repair.as_quantity(call.cost_usd, "cost_usd", repairs),
    )


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
        return text[: repair.NAME_LIMIT] if text else None
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


def _epoch_s(call: Call, repairs: list[str]) -> float:
    moment = call.called_at
    if moment is None:
        return call.recorded_at
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
    return call.recorded_at
