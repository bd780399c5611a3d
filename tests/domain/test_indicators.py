"""What can be an indicator, and what is said of it."""

from typing import Any

import pytest

from service.domain.indicators import (
    Filters,
    Indicator,
    IndicatorKind,
    InvalidIndicatorError,
    Member,
)


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("quality", {}, "kind quality names its evaluator: found None"),
        ("availability", {"evaluator": "refusal"}, "has no evaluator: found 'refusal'"),
        ("latency", {}, "names its limit"),
        ("latency", {"limit": 700.0}, "found 700 ms; next to it are 600 and 800 ms"),
        ("cost", {"limit": -1.0}, "above 0: found -1.0"),
        ("signals", {}, "names its signals"),
        ("signals", {"signals": ("applause",)}, "found 'applause'"),
        ("composite", {}, "names its members"),
        ("availability", {"members": (Member("a", 1.0),)}, "has no members"),
        ("composite", {"members": (Member("a", 1.0),) * 2}, "each part once"),
        ("composite", {"members": (Member("a", 0.0),)}, "weight of a part is above 0"),
    ],
)
def test_what_cannot_be_an_indicator_is_refused_with_the_reason(
    kind: IndicatorKind, fields: dict[str, Any], reason: str
) -> None:
    task = "" if kind == "composite" else "answer"
    with pytest.raises(InvalidIndicatorError, match=reason):
        Indicator(kind, task, "production", **fields)


def test_a_composite_has_no_task_and_all_others_have_one() -> None:
    with pytest.raises(InvalidIndicatorError, match="names its task"):
        Indicator("availability", "", "production")
    with pytest.raises(InvalidIndicatorError, match="has no task"):
        Indicator("composite", "answer", "production", members=(Member("a", 1.0),))


def test_an_indicator_says_what_is_good_and_what_is_bad() -> None:
    fast = Indicator("latency", "answer", "production", limit=2_000.0, filters=Filters(model="m"))
    assert fast.good == "calls of answer that take at most 2000 ms in production, model m"
    assert fast.bad == "calls took longer than 2000 ms"
    whole = Indicator("composite", "", "staging", members=(Member("a", 3.0), Member("b", 1.0)))
    assert whole.good == "what its parts count as good: a (3), b (1) in staging"
