import math

import pytest

from evaluators.contract import PassRule, Score, fault_in


@pytest.mark.parametrize(
    ("rule", "value", "passes"),
    [
        (PassRule(at_least=0.5), 0.5, True),
        (PassRule(at_least=0.5), 0.49, False),
        (PassRule(at_most=2000), 2000.0, True),
        (PassRule(at_most=2000), 2001.0, False),
        (PassRule(at_least=20, at_most=2000), 19.0, False),
        (PassRule(at_least=20, at_most=2000), 300.0, True),
    ],
)
def test_the_bounds_of_a_pass_rule_belong_to_it(rule: PassRule, value: float, passes: bool) -> None:
    assert rule.passes(value) is passes


@pytest.mark.parametrize(
    ("at_least", "at_most", "reason"),
    [
        (None, None, "needs atLeast"),
        (2.0, 1.0, "above"),
        (math.nan, None, "finite"),
        (None, math.inf, "finite"),
    ],
)
def test_a_pass_rule_that_cannot_be_meant_is_refused(
    at_least: float | None, at_most: float | None, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        PassRule(at_least, at_most)


@pytest.mark.parametrize(
    ("value", "unit", "stored"),
    [
        (0.0, None, True),
        (1.0, None, True),
        (1.01, None, False),
        (-0.01, None, False),
        (1200.0, "characters", True),
        (-1.0, "characters", False),
        (math.nan, None, False),
        (math.inf, "characters", False),
    ],
)
def test_only_a_finite_value_in_its_range_may_be_stored(
    value: float, unit: str | None, stored: bool
) -> None:
    assert (fault_in(Score(value), unit) is None) is stored
