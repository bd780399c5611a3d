from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from service.flows.create_api_key import create_api_key
from tests.declared import NOW, declare_slo, declare_task
from tests.posted import Door, open_door

A_CORRECTION = {
    "starts_at": "2026-11-25T22:00:00Z",
    "ends_at": "2026-11-26T00:00:00+01:00",
    "reason": "Planned move",
    "author": "Ann",
}


@pytest.fixture
def door(engine: Engine) -> Iterator[Door]:
    with open_door(engine) as door:
        declare_slo(engine, door.app, evaluator=None)
        declare_task(engine, door.app)
        yield door


@pytest.fixture
def corrector(engine: Engine, door: Door) -> httpx.Client:
    key = create_api_key(engine, "support", scopes=("read", "correct"), now=NOW)
    door.client.headers["Authorization"] = f"Bearer {key.secret}"
    return door.client


def add(client: httpx.Client, **changes: Any) -> httpx.Response:
    return client.post("/v1/corrections", json=A_CORRECTION | changes)


def test_a_correction_is_added_listed_and_revoked(corrector: httpx.Client) -> None:
    added = add(corrector, task="answer", environment="production")
    assert added.status_code == 201
    correction = added.json()
    assert correction["ends_at"] == "2026-11-25T23:00:00Z"
    assert (correction["task"], correction["slo"], correction["revoked_at"]) == (
        *("answer", None),
        None,
    )
    path = f"/v1/corrections/{correction['id']}"
    revoked = corrector.delete(path, params={"by": "Ben"}).json()
    assert (revoked["revoked_by"], revoked["revoked_at"]) == ("Ben", "2026-11-25T12:00:00Z")
    assert corrector.get("/v1/corrections").json()["corrections"] == [revoked]
    again = corrector.delete(path, params={"by": "Cleo"})
    assert again.status_code == 409
    assert "was revoked by Ben" in again.json()["detail"]


def test_the_list_goes_on_with_the_older_ones(corrector: httpx.Client) -> None:
    added = [add(corrector).json()["id"] for _ in range(3)]
    first = corrector.get("/v1/corrections", params={"limit": 2}).json()
    rest = corrector.get("/v1/corrections", params={"before": first["next_before"]}).json()
    listed = [*first["corrections"], *rest["corrections"]]
    assert [each["id"] for each in listed] == added[::-1]
    assert rest["next_before"] is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ends_at": "2026-12-25T00:00:00Z"}, "needs several"),
        ({"ends_at": "2026-11-25T22:00:00Z"}, "ends after it starts"),
        ({"starts_at": "2026-11-25T22:00:00"}, "timezone"),
        ({"reason": " "}, "has a reason"),
        ({"slo": "answers"}, "it has: answers-correct"),
        ({"task": "answers"}, "has no task"),
        ({"environment": "produktion"}, "they watch: production"),
        ({"starts_at": "0001-01-01T00:00:00Z", "ends_at": "0001-01-02T00:00:00Z"}, "366 days"),
    ],
)
def test_what_would_correct_nothing_or_never_end_is_refused(
    corrector: httpx.Client, changes: dict[str, str], why: str
) -> None:
    refused = add(corrector, **changes)
    assert refused.status_code == 422
    assert why in refused.json()["detail"]
    assert corrector.get("/v1/corrections").json()["corrections"] == []


def test_a_key_that_brings_calls_in_cannot_make_them_not_count(door: Door) -> None:
    refused = add(door.client)
    assert refused.status_code == 403
    assert "--scope correct" in refused.json()["detail"]


def test_another_apps_corrections_are_out_of_reach(engine: Engine, corrector: httpx.Client) -> None:
    mine = add(corrector).json()["id"]
    with open_door(engine, "other") as other:
        key = create_api_key(engine, "other", scopes=("read", "correct"), now=NOW)
        other.client.headers["Authorization"] = f"Bearer {key.secret}"
        assert other.client.get("/v1/corrections").json()["corrections"] == []
        answer = other.client.delete(f"/v1/corrections/{mine}", params={"by": "Mallory"})
    assert answer.status_code == 404
