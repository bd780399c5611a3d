"""A kept call as the bytes of one entry of `samples`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from json.encoder import encode_basestring
from typing import Union

from watchkeeper import repair
from watchkeeper.calls import Call, Facts
from watchkeeper.masks import masked_attributes, masked_or_none
from watchkeeper.sampling import Decision
from watchkeeper.settings import Settings

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
# What JSON escapes, but for the line ends, tabs, quotes and backslashes of usual texts
_RARE_CONTROLS = bytes(code for code in range(32) if chr(code) not in "\t\n\r")
_HEAD_LIMIT = 1_000
Attributes = dict[str, Union[str, float, bool]]
_KEPT_FOR = "watchkeeper.kept_for"
_SESSION_PROBABILITY = "watchkeeper.session_probability"
_TRUNCATED = "watchkeeper.truncated"
_SAMPLE = b'{"sample_id":"%b","called_at":"%b",%b,%b,"prompt":%b,"response":%b,"reference":%b,%b}'
_SIZES = '"input_tokens":%s,"output_tokens":%s,"cost_usd":%s,"latency_ms":%s'
_REST = (
    b'"error_type":%b,"finish_reason":%b,"session_id":%b,"user_id":%b,"keep_probability":%b,'
    b'"attributes":%b'
)


def wire_json(value: object) -> bytes:
    """UTF-8 JSON without spaces; the value is repaired already."""
    return _encode(value).encode()


def literal(value: str | float | None) -> bytes:
    """One repaired value as JSON; of a long text in a third of the time that `json` takes.

    >>> literal('say "x"\\n'), literal(1.5), literal(None)
    (b'"say \\\\"x\\\\"\\\\n"', b'1.5', b'null')
    """
    if value is None:
        return b"null"
    if not isinstance(value, str):
        return repr(value).encode()
    raw = value.encode()
    if len(raw.translate(None, _RARE_CONTROLS)) != len(raw):
        return encode_basestring(value).encode()
    raw = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"%b"' % raw.replace(b"\r", b"\\r").replace(b"\t", b"\\t")


class SampleWriter:
    """For the sender's thread. What repeats from call to call is written once and kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._place = b'"environment":%b,"release":%b' % (
            literal(settings.environment),
            literal(settings.release),
        )
        self._heads: dict[tuple[str, str, str, str], bytes] = {}
        self._second = -1
        self._second_text = ""

    def write(
        self,
        call: Call,
        facts: Facts,
        sample_id: str,
        session_id: str | None,
        decision: Decision,
        repairs: list[str],
    ) -> bytes:
        """Raises where even the repaired call cannot be written: the caller counts it as
        dropped."""
        given, _, _, trace_id = call[16:]
        attributes = self._attributes(given, trace_id, decision.kept_for, repairs)
        told = decision.session_probability
        if session_id is not None and told is not None and told < 1.0:
            attributes[_SESSION_PROBABILITY] = told
        prompt, response, reference = self._texts(call[10:13], attributes, repairs)
        return _SAMPLE % (
            sample_id.encode(),
            self._rfc3339(facts.called_at_s),
            self._head(facts),
            (_SIZES % tuple(["null" if n is None else n for n in facts[5:]])).encode(),
            literal(prompt),
            literal(response),
            literal(reference),
            self._rest(call, session_id, decision.keep_probability, attributes, repairs),
        )

    def _rest(
        self,
        call: Call,
        session_id: str | None,
        keep_probability: float,
        attributes: Attributes,
        repairs: list[str],
    ) -> bytes:
        error_type, finish_reason, user_id = call[5], call[13], call[15]
        if error_type is finish_reason is user_id is session_id is None and not attributes:
            return _REST % (*(b"null",) * 4, literal(keep_probability), b"{}")
        return _REST % (
            literal(self._masked_name(error_type, "error_type", repairs)),
            literal(self._masked_name(finish_reason, "finish_reason", repairs)),
            literal(session_id),
            literal(repair.as_name(user_id, "user_id", repairs)),
            literal(keep_probability),
            wire_json(attributes),
        )

    def _masked_name(self, value: object, field: str, repairs: list[str]) -> str | None:
        if value is None:
            return None
        hidden = masked_or_none(value, self._settings.masks, field, repairs)
        return repair.as_name(hidden, field, repairs)

    def _texts(
        self, values: Sequence[object], kept: Attributes, repairs: list[str]
    ) -> list[str | None]:
        """Prompt, response and reference; `kept`, the attributes, get the mark of a cut."""
        settings = self._settings
        captured = (settings.capture_input, settings.capture_output, settings.capture_output)
        texts: list[str | None] = []
        cut: list[str] = []
        for field, value, is_captured in zip(("prompt", "response", "reference"), values, captured):
            text = None
            if is_captured and value is not None:
                is_cut = isinstance(value, str) and len(value) > repair.TEXT_LIMIT
                value = masked_or_none(value, settings.masks, field, repairs)
                text = repair.as_text(value, field, repairs)
                if text is not None and (is_cut or len(text) > repair.TEXT_LIMIT):
                    cut.append(field)
                    text = repair.cut(text)
            texts.append(text)
        if cut:
            kept[_TRUNCATED] = ",".join(cut)
        return texts

    def _attributes(
        self, given: object, trace_id: object, kept_for: str | None, repairs: list[str]
    ) -> Attributes:
        if given is None and trace_id is None and kept_for is None:
            return {}
        kept = repair.as_attributes(
            masked_attributes(given, self._settings.masks, repairs), repairs
        )
        trace = repair.as_name(trace_id, "trace_id", repairs)
        if trace:
            kept["trace_id"] = trace
        if kept_for is not None:
            kept[_KEPT_FOR] = kept_for
        return kept

    def _head(self, facts: Facts) -> bytes:
        key = (facts.task, facts.model, facts.prompt_version, facts.outcome)
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _HEAD_LIMIT:  # an app that puts ids into names
                self._heads.clear()
            head = self._heads[key] = (
                b'%b,"task":%b,"model":%b,"prompt_version":%b,"outcome":%b'
                % (self._place, *map(literal, key))
            )
        return head

    def _rfc3339(self, epoch_s: float) -> bytes:
        # Rounded down: rounding up could move the sample into the minute after its count.
        second = int(epoch_s // 1)
        if second != self._second:
            moment = datetime.fromtimestamp(second, tz=timezone.utc)
            self._second_text = f"{moment:%Y-%m-%dT%H:%M:%S}"
            self._second = second
        return f"{self._second_text}.{int(epoch_s % 1 * 1_000_000):06d}Z".encode()
