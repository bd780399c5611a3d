"""What the sender of a batch is told."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from sqlalchemy import Engine, select

from service.api.schemas.receipts import ReceiptOut
from service.api.schemas.words import TEXT_CHARACTERS
from service.store import tables
from tests.api.schemas.generated import BATCHES
from tests.declared import PRIME, declare_task
from tests.posted import (
    Door,
    batch_in,
    count_in,
    instance_in,
    open_door,
    sample_in,
    signal_in,
    stored,
)

POINTER = re.compile(r"(/([^~/]|~0|~1)*)+")  # RFC 6901, section 3


@pytest.fixture
def door(engine: Engine) -> Iterator[Door]:
    with open_door(engine) as door:
        yield door


def receipt_of(answer: httpx.Response) -> ReceiptOut:
    """The answer, which is a receipt and nothing more."""
    assert answer.status_code == 202, answer.text
    assert answer.headers["content-type"] == "application/json"
    receipt = msgspec.json.decode(answer.content, type=ReceiptOut, strict=True)
    assert json.loads(answer.content) == msgspec.to_builtins(receipt)
    remarks = receipt.rejections + receipt.truncations
    assert all(POINTER.fullmatch(remark.pointer) for remark in remarks)
    return receipt


def test_a_receipt_holds_just_what_is_documented(door: Door) -> None:
    batch = batch_in(sample_in(), 5, counts=(count_in(), 5), signals=[signal_in(), 5])
    answer = door.client.post("/v1/samples", json=batch)
    assert answer.json() == {
        "batch_id": batch["batch_id"],
        "accepted": 1,
        "duplicate": 0,
        "rejected": 1,
        "counts_accepted": 1,
        "counts_rejected": 1,
        "signals_accepted": 1,
        "signals_rejected": 1,
        "rejections": [
            {"pointer": f"/{name}/1", "reason": "Expected `object`, got `int`"}
            for name in ("samples", "call_counts", "signals")
        ],
        "truncations": [],
        "sample_rates": {"default": None, "tasks": {}},
    }


def test_a_receipt_for_signals_is_the_same_kind(door: Door) -> None:
    signals = {"batch_id": batch_in()["batch_id"], "signals": [signal_in(), signal_in(kind="")]}
    receipt = receipt_of(door.client.post("/v1/signals", json=signals))
    assert (receipt.signals_accepted, receipt.signals_rejected, receipt.accepted) == (1, 1, 0)
    again = receipt_of(door.client.post("/v1/signals", json=signals))
    assert (again.signals_accepted, again.signals_rejected) == (0, 1)


@settings(max_examples=40)
@given(posted=BATCHES)
def test_any_valid_batch_is_answered_with_a_receipt(door: Door, posted: dict[str, Any]) -> None:
    receipt = receipt_of(door.client.post("/v1/samples", json=posted | {"app": None}))
    items = posted["samples"], posted["call_counts"], posted.get("signals", [])
    assert receipt.accepted + receipt.duplicate + receipt.rejected == len(items[0])
    assert receipt.counts_accepted + receipt.counts_rejected <= len(items[1])
    assert receipt.signals_accepted + receipt.signals_rejected <= len(items[2])


def test_names_that_need_escapes_are_escaped_in_pointers(door: Door) -> None:
    odd = sample_in(attributes={'a/b~c"\\\n': "x\x00"})
    receipt = receipt_of(door.post(sample_in(), odd, sample_in(**{"~/": 1})))
    assert [remark.pointer for remark in receipt.rejections] == [
        '/samples/1/attributes/a~1b~0c"\\\n',
        "/samples/2/~0~1",
    ]


def test_a_receipt_tells_the_rates_that_are_declared(door: Door, engine: Engine) -> None:
    declare_task(engine, door.app, PRIME, name="answer")
    declare_task(engine, door.app, PRIME, name="summarise")
    with engine.begin() as connection:
        connection.execute(tables.apps.update().values(sample_rate=0.25))
        connection.execute(
            tables.tasks.update().where(tables.tasks.c.name == "answer").values(sample_rate=1.0)
        )
    rates = receipt_of(door.post(sample_in())).sample_rates
    assert (rates.default, rates.tasks) == (0.25, {"answer": 1.0})


def test_a_prompt_of_ten_megabytes_is_cut_marked_and_told(door: Door, engine: Engine) -> None:
    receipt = receipt_of(door.post(sample_in(), sample_in(prompt="y" * 10_000_000)))
    assert (receipt.accepted, receipt.rejected) == (2, 0)
    (remark,) = receipt.truncations
    assert remark.pointer == "/samples/1/prompt"
    assert remark.reason == "has 10,000,000 characters; the first 262,144 are kept"
    columns = tables.samples.c
    query = select(columns.prompt).where(
        columns.attributes["watchkeeper.truncated"].as_string() == "prompt"
    )
    with engine.connect() as connection:
        (prompt,) = connection.scalars(query)
    assert len(prompt) == TEXT_CHARACTERS
    assert prompt.endswith("y... [cut by watchkeeper: 10000000 characters]")


@pytest.mark.parametrize(
    "literal", ["NaN", "-Infinity", "1e999", "1" * 5_000, r'"\u0000"', r'"\ud800"', "[[[]]]"]
)
def test_what_cannot_be_stored_costs_nothing_but_its_item(
    door: Door, engine: Engine, literal: str
) -> None:
    batch = batch_in(
        *(sample_in(), sample_in(attributes={"a": "ODD"})),
        counts=(count_in(), count_in(cost_usd="ODD")),
        signals=[signal_in(), signal_in(kind="note", value="ODD")],
        instance=instance_in(environment="ODD"),
    )
    body = json.dumps(batch).replace('"ODD"', literal)
    receipt = receipt_of(door.client.post("/v1/samples", content=body))
    assert (receipt.accepted, receipt.counts_accepted, receipt.signals_accepted) == (1, 1, 1)
    assert len(receipt.rejections) == 4
    growing = (tables.samples, tables.call_counts, tables.signals, tables.sdk_instances)
    assert [stored(engine, table) for table in growing] == [1, 1, 1, 0]


def test_an_instance_with_a_reason_that_cannot_be_stored_costs_only_itself(
    door: Door, engine: Engine
) -> None:
    told = instance_in({"dropped": {"full\x00": 1}})
    receipt = receipt_of(door.post(sample_in(), instance=told))
    assert receipt.accepted == 1
    assert [remark.pointer for remark in receipt.rejections] == ["/instance/ledger/dropped"]
    assert stored(engine, tables.sdk_instances) == 0


@pytest.mark.parametrize("started_at", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z"])
def test_an_instance_of_any_age_does_not_spoil_the_list(door: Door, started_at: str) -> None:
    door.post(sample_in(), instance=instance_in(started_at=started_at))
    listed = door.client.get("/v1/instances", params={"app": door.app.name})
    assert listed.status_code == 200
