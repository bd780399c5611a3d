"""Checks any evaluator, ours or a plug-in's: call `check_evaluator` in your own tests.

def test_politeness_keeps_the_contract() -> None:
    check_evaluator(Politeness, samples=[Sample(response="please")])
"""

import inspect
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from pydantic import BaseModel

from evaluators.contract import Evaluator, Sample, Score, Task, Tier, fault_in
from evaluators.registry import Built, Entry, EvaluatorError, Registry

# What models and users really send, sooner or later.
HOSTILE_TEXTS = (
    "", " ", "\n" * 5_000, "\x00", "\x00" * 200, "\ud800", "\udfff lone surrogates \ud83d",
    "\ufeff{}", "\u202eright to left\u202c", "e\u0301" * 300, "👩‍👩‍👧‍👦" * 50, "ﷺ" * 100, "ß" * 200,
    "İ" * 200, "\u2028\u2029\u0085", "a" * 50_000, "[" * 50_000, '{"a":' * 50_000, "(" * 5_000,
    "NaN", "-Infinity", "1e999", "9" * 5_000, '{"a": 1, "a": 2}', "```json\n{}\n```", "```", "\\",
    "'; DROP TABLE samples; --", "no no no " * 500, "I'm sorry, but I can't assist with that.",
    "%s %(x)s {0} {x}",
)  # fmt: skip


def check_evaluator(
    build: type[Evaluator],
    config: Mapping[str, Any] | None = None,
    *,
    task: Task | None = None,
    samples: Sequence[Sample] = (),
    needs: Sequence[str] = ("response",),
) -> None:
    """Raises AssertionError, with a sentence, where the evaluator breaks the contract.

    `config` is what a task's YAML would say (default: nothing), `samples` are typical calls to put
    beside the hostile ones, `needs` names the fields of a sample without which it must answer None.
    """
    _check_declarations(build)
    built = _build(build, config or {}, task or Task("answer"))
    calls = [*samples, *_hostile(samples)]
    scores = _score(built, calls)
    for call, score in zip(calls, scores, strict=True):
        _check_score(score, built.unit, call)
    _check_same(scores, _score(built, calls), "asked twice")
    again = _build(build, config or {}, task or Task("answer"))
    _check_same(scores, _score(again, calls), "built twice")
    _expect(again.version == built.version, "built twice, it has two versions")
    _check_same(scores, _score(built, calls[::-1])[::-1], "asked in the opposite order")
    alone = [_score(built, [call])[0] for call in calls]
    _check_same(scores, alone, "asked for each sample alone")
    _expect(_score(built, []) == [], "an empty batch has no scores")
    _check_does_not_apply(built, calls, needs)


def _expect(holds: bool, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)


def _check_declarations(build: type[Evaluator]) -> None:
    for attribute in ("name", "revision"):
        value = getattr(build, attribute, None)
        _expect(
            isinstance(value, str) and value != "", f"it declares no {attribute}: a text of its own"
        )
    _expect(hasattr(build, "unit"), "it declares no unit: None for a value in [0, 1]")
    unit = build.unit
    _expect(unit is None or (isinstance(unit, str) and unit != ""), f"unit {unit!r} is no text")
    tiers = get_args(Tier)
    tier = getattr(build, "tier", None)
    _expect(tier in tiers, f"tier {tier!r} is none of {', '.join(tiers)}")
    _expect(
        isinstance(getattr(build, "reads_contract", None), bool),
        "it does not declare reads_contract: True or False",
    )
    config = getattr(build, "Config", None)
    _expect(
        inspect.isclass(config) and issubclass(config, BaseModel),
        "its Config is not a pydantic model",
    )
    _expect(callable(getattr(build, "score_batch", None)), "it has no method score_batch")


def _build(build: type[Evaluator], config: Mapping[str, Any], task: Task) -> Built:
    registry = Registry({build.name: Entry(build.__module__, lambda: build)})
    try:
        return registry.build(build.name, config, task)
    except EvaluatorError as error:
        raise AssertionError(f"it cannot be built: {error}") from error


def _hostile(samples: Sequence[Sample]) -> list[Sample]:
    """Each hostile text in each field alone, then in all, beside a typical call; and nothing."""
    typical = samples[0] if samples else Sample("What is 2 + 2?", "It is [4].", "4")
    odd = [
        _with(typical, name, text)
        for text in (*HOSTILE_TEXTS, None)
        for name in ("prompt", "response", "reference")
    ]
    odd += [Sample(text, text, text, attributes={text: text}) for text in HOSTILE_TEXTS]
    return [
        *odd,
        Sample(outcome="error"),
        replace(typical, outcome="error", finish_reason="length"),
        replace(typical, latency_ms=0.0, output_tokens=0),
        replace(typical, latency_ms=1e12, output_tokens=2**62),
    ]


def _with(call: Sample, field: str, value: str | None) -> Sample:
    changes: dict[str, Any] = {field: value}
    return replace(call, **changes)


def _score(built: Built, samples: Sequence[Sample]) -> list[Score | None]:
    try:
        scores = built.evaluator.score_batch(samples)
    except Exception as error:
        raise AssertionError(
            f"score_batch raised {type(error).__name__}: {error}; it answers whatever was written"
        ) from error
    _expect(isinstance(scores, list), "score_batch does not return a list")
    _expect(
        len(scores) == len(samples),
        f"{len(samples)} samples have {len(scores)} scores: each has one, or None",
    )
    return scores


def _check_score(score: Score | None, unit: str | None, call: Sample) -> None:
    if score is None:
        return
    where = f"for the sample {_shown(call)}"
    _expect(isinstance(score, Score), f"{type(score).__name__} is no Score, {where}")
    _expect(
        isinstance(score.value, (int, float)) and not isinstance(score.value, bool),
        f"value {score.value!r} is no number, {where}",
    )
    fault = fault_in(score, unit)
    _expect(fault is None, f"{fault}, {where}")
    for part in (score.label, score.explanation):
        _expect(isinstance(part, str), f"{part!r} is no text, {where}")
        # PostgreSQL stores neither; such a text comes from quoting the answer.
        storable = "\x00" not in part and not any("\ud800" <= c <= "\udfff" for c in part)
        _expect(storable, f"label or explanation holds a NUL or a lone surrogate, {where}")
    _expect(
        pickle.loads(pickle.dumps(score)) == score,  # noqa: S301 - our own object, just written
        f"the score does not survive the way between two processes (pickle), {where}",
    )


def _check_same(first: list[Score | None], second: list[Score | None], when: str) -> None:
    for index, (one, other) in enumerate(zip(first, second, strict=True)):
        same = one == other or _close(one, other)
        _expect(same, f"sample {index} gets {one}, and {other} when {when}")


def _close(one: Score | None, other: Score | None) -> bool:
    """Batched matrix products may round the last digits in another way; nothing else may differ."""
    if one is None or other is None or one.label != other.label:
        return False
    return math.isclose(one.value, other.value, rel_tol=1e-6, abs_tol=1e-9)


def _check_does_not_apply(built: Built, calls: Sequence[Sample], needs: Sequence[str]) -> None:
    for name in needs:
        lacking = [_with(call, name, None) for call in calls]
        for call, score in zip(lacking, _score(built, lacking), strict=True):
            _expect(
                score is None, f"without {name} it does not apply, yet {_shown(call)} is scored"
            )


def _shown(call: Sample) -> str:
    text = repr(call)
    return text if len(text) <= 300 else f"{text[:300]}..."
