from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from service.domain.slos import Consequence, Slo
from service.flows.watch_blindness import watch_blindness
from service.flows.watch_budgets import watch_budgets
from tests.declared import NOW, declare_app, declare_slo
from tests.posted import Door, open_door
from tests.standing import a_tier, a_verdict, declare_policy, put

MINUTE = timedelta(minutes=1)
GATE = "/v1/slos/answers-correct/gate"


@pytest.fixture
def door(engine: Engine) -> Iterator[Door]:
    with open_door(engine) as door:
        yield door


@pytest.fixture
def slo(engine: Engine, door: Door) -> Slo:
    return declare_policy(engine, door.app, Consequence(0.1, "freeze"))


def watch(engine: Engine) -> None:
    watch_budgets(engine, now=NOW)
    watch_blindness(engine, patience=30 * MINUTE, now=NOW)


def test_an_slo_is_shown_as_it_stands(engine: Engine, door: Door, slo: Slo) -> None:
    put(engine, slo)
    watch(engine)
    shown = door.client.get("/v1/slos/answers-correct").json()
    assert shown["status"] == "healthy"
    assert shown["since"] == "2026-11-25T12:00:00Z"
    assert shown["sli"] == {
        "good_ratio": 0.98,
        "interval": [0.9, 0.99],
        "n": 2000,
        "effective_n": 1500.0,
    }
    assert shown["budget"]["remaining"] == 0.6
    assert shown["budget"]["interval"] == pytest.approx([0.5, 0.7])
    (tier,) = shown["tiers"]
    assert (tier["long_s"], tier["long_burn"], tier["long_burn_at_least"]) == (3600, 0.4, 0.2)


def test_an_slo_that_was_never_evaluated_is_unknown(door: Door, slo: Slo) -> None:
    shown = door.client.get("/v1/slos/answers-correct").json()
    assert (shown["status"], shown["since"], shown["budget"]["remaining"]) == (
        *("unknown", None),
        None,
    )
    assert shown["sentence"] == "it has not been evaluated yet"


def test_the_list_goes_on_by_name(engine: Engine, door: Door) -> None:
    names = [f"slo-{letter}" for letter in "abcde"]
    for name in reversed(names):
        declare_slo(engine, door.app, evaluator=None, name=name)
    seen: list[str] = []
    after: dict[str, str] = {}
    for _ in range(3):
        page = door.client.get("/v1/slos", params={"limit": "2"} | after).json()
        seen += [each["name"] for each in page["slos"]]
        after = {"after": page["next_after"] or ""}
    assert seen == names
    assert page["next_after"] is None


def test_another_apps_slos_are_not_shown(engine: Engine, door: Door, slo: Slo) -> None:
    with open_door(engine, "other") as other:
        assert other.client.get("/v1/slos").json()["slos"] == []
        answer = other.client.get("/v1/slos/answers-correct")
    assert answer.status_code == 404
    assert answer.json()["detail"].endswith("it has: none")


@pytest.mark.parametrize("path", ["/v1/slos", "/v1/slos/answers-correct", GATE])
def test_a_key_without_the_scope_read_sees_nothing(engine: Engine, door: Door, path: str) -> None:
    assert door.client.get(path, headers={"Authorization": ""}).status_code == 401


def test_the_gate_passes_with_the_budget_and_its_interval(
    engine: Engine, door: Door, slo: Slo
) -> None:
    put(engine, slo)
    watch(engine)
    answer = door.client.get(GATE, params={"fail_status": "true"})
    assert answer.status_code == 200
    assert answer.json()["verdict"] == "pass"
    assert answer.json()["reasons"] == [
        "60.0 % of the error budget is left (95 % interval: 50.0 % to 70.0 %)"
    ]


def test_a_freeze_closes_the_gate(engine: Engine, door: Door, slo: Slo) -> None:
    put(engine, slo, verdict=a_verdict(0.05))
    watch(engine)
    assert door.client.get(GATE).status_code == 200
    answer = door.client.get(GATE, params={"fail_status": "true"})
    assert answer.status_code == 409
    shown = answer.json()
    assert (shown["verdict"], shown["in_force"][0]["action"]) == ("fail", "freeze")
    assert "the policy freezes at 10.0 %" in shown["reasons"][0]


@pytest.mark.parametrize(("unknown", "status"), [("unknown", 409), ("fail", 409), ("pass", 200)])
def test_unknown_is_its_own_answer_and_counts_as_asked(
    engine: Engine, door: Door, slo: Slo, unknown: str, status: int
) -> None:
    put(engine, slo, "unknown", a_verdict(tiers=[a_tier("silence")]))
    answer = door.client.get(GATE, params={"fail_status": "true", "unknown": unknown})
    assert answer.status_code == status
    assert (answer.json()["verdict"], answer.json()["counted_as"]) == ("unknown", unknown)
    assert answer.json()["reasons"][0] == "The status is unknown: no call for 45 m"


def test_a_state_that_is_too_old_is_unknown(engine: Engine, door: Door, slo: Slo) -> None:
    put(engine, slo, at=NOW - 5 * MINUTE)
    answer = door.client.get(GATE).json()
    assert answer["verdict"] == "unknown"
    assert "not been evaluated since 2026-11-25 11:55 UTC" in answer["reasons"][0]


def test_asking_for_another_app_is_refused(engine: Engine, door: Door, slo: Slo) -> None:
    answer = door.client.get(GATE, params={"app": "other"})
    assert answer.status_code == 403
    assert door.client.get(GATE, params={"app": "support"}).status_code == 200


def test_the_gate_of_an_unknown_slo_names_those_that_there_are(
    engine: Engine, door: Door, slo: Slo
) -> None:
    declare_app(engine, "other")
    answer = door.client.get("/v1/slos/answers/gate")
    assert answer.status_code == 404
    assert answer.json()["detail"].endswith("it has: answers-correct")
