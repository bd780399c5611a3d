from datetime import UTC, datetime
from typing import Any

import pytest

from service.domain.budget_policy import Crossing
from service.domain.gate import GateAnswer, UnknownAs, judge_gate
from service.domain.slos import Consequence
from service.domain.spells import Sight

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
HEALTHY = Sight("healthy", NOON)
BLIND = Sight("unknown", NOON, "silence", "no call for 45 m")
FROZEN = Crossing(Consequence(0.1, "freeze"), 0.08, NOON, NOON)
TOLD = Crossing(Consequence(0.25, "notify"), 0.2, NOON, NOON)


def judge(
    sight: Sight = HEALTHY, *crossings: Crossing, severity: str | None = None, counted: bool = True
) -> GateAnswer:
    budget: dict[str, Any] = {"spent": 0.38, "remaining": 0.62, "interval": [0.3, 0.5]}
    verdict = {"severity": severity} | ({"budget": budget} if counted else {})
    return judge_gate(sight, "40 of 100 calls failed", verdict, crossings, since=NOON)


def test_a_healthy_slo_with_budget_passes_and_says_how_much_is_left() -> None:
    answer = judge()
    assert answer.verdict == "pass"
    assert answer.reasons == (
        "62.0 % of the error budget is left (95 % interval: 50.0 % to 70.0 %)",
    )


def test_a_page_closes_the_gate_and_a_ticket_is_a_remark() -> None:
    assert judge(severity="page").verdict == "fail"
    assert judge(severity="page").reasons[0] == "A page fires: 40 of 100 calls failed"
    ticket = judge(Sight("firing", NOON), severity="ticket")
    assert ticket.verdict == "pass"
    assert "A ticket fires" in ticket.reasons[-1]


def test_a_freeze_closes_the_gate_with_its_numbers() -> None:
    answer = judge(HEALTHY, TOLD, FROZEN)
    assert answer.verdict == "fail"
    assert answer.reasons[0] == (
        "Releases are frozen since 2026-11-25 12:00 UTC: 8.0 % of the error budget was left then, "
        "and the policy freezes at 10.0 %"
    )
    assert judge(HEALTHY, TOLD).verdict == "pass"


def test_a_page_and_a_freeze_close_the_gate_even_while_we_are_blind() -> None:
    assert judge(BLIND, severity="page").verdict == "fail"
    assert judge(BLIND, FROZEN).verdict == "fail"
    assert "no call for 45 m" in judge(BLIND, FROZEN).reasons[1]


def test_what_cannot_be_seen_is_unknown_with_the_reason() -> None:
    answer = judge(BLIND)
    assert (answer.verdict, answer.status) == ("unknown", "unknown")
    assert answer.reasons[0] == "The status is unknown: no call for 45 m"
    thin = judge(Sight("unknown", NOON))
    assert thin.reasons[0].endswith("40 of 100 calls failed"), "the sentence of the evaluation"


def test_an_slo_without_a_count_says_so() -> None:
    assert judge(counted=False).reasons == ("Nothing was counted for the error budget yet",)


@pytest.mark.parametrize("unknown", ["pass", "fail", "unknown"])
def test_unknown_counts_as_whoever_asks_wants_it(unknown: UnknownAs) -> None:
    assert judge(BLIND).counted_as(unknown) == unknown
    assert judge().counted_as(unknown) == "pass"
    assert judge(severity="page").counted_as(unknown) == "fail"
