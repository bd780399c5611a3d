"""A kept call as the bytes of one entry of `samples`."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from watchkeeper import repair
from watchkeeper.call import Call, Facts

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_TEXTS = ("prompt", "response", "reference")


def wire_json(value: object) -> bytes:
    """UTF-8 JSON without spaces; the value is repaired already."""
    return _encode(value).encode()


def wire_sample(
    call: Call,
    facts: Facts,
    *,
    sample_id: str,
    session_id: str | None,
    keep_probability: float,
    environment: str,
    release: str,
    repairs: list[str],
) -> bytes:
    """Raises where even the repaired call cannot be written: the caller counts it as dropped."""
    texts = {field: repair.as_text(getattr(call, field), field, repairs) for field in _TEXTS}
    attributes = repair.as_attributes(call.attributes, repairs)
    too_long = [field for field, text in texts.items() if text and len(text) > repair.TEXT_LIMIT]
    if too_long:
        attributes["watchkeeper.truncated"] = ",".join(too_long)
        texts = {field: text and repair.cut(text) for field, text in texts.items()}
    return wire_json(
        {
            "sample_id": sample_id,
            "called_at": _rfc3339(facts.called_at_s),
            "environment": environment,
            "release": release,
            "task": facts.task,
            "model": facts.model,
            "prompt_version": facts.prompt_version,
            "outcome": facts.outcome,
            "error_type": repair.as_name(call.error_type, "error_type", repairs),
            **texts,
            "latency_ms": repair.as_quantity(call.latency_ms, "latency_ms", repairs),
            "input_tokens": facts.input_tokens,
            "output_tokens": facts.output_tokens,
            "cost_usd": facts.cost_usd,
            "finish_reason": repair.as_name(call.finish_reason, "finish_reason", repairs),
            "session_id": session_id,
            "user_id": repair.as_name(call.user_id, "user_id", repairs),
            "keep_probability": keep_probability,
            "attributes": attributes,
        }
    )


def _rfc3339(epoch_s: float) -> str:
    # Rounded down: rounding up could move the sample into the minute after its count.
    moment = datetime.fromtimestamp(epoch_s // 1, tz=timezone.utc)
    micros = int(epoch_s % 1 * 1_000_000)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"
