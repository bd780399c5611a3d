from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from service.replay.errors import JournalError
from service.replay.journal import Entry, Journal
from service.replay.plan import Plan, Span, Times
from service.replay.receipts import OTHER_REASONS, REASONS_KEPT, Reason, Tally

ID = UUID("0b5c1a52-0f0e-4c3b-9d0c-6d0a4a3f2b11")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TALLY = Tally(3, 1, 2, 4, 0, {"a: #": Reason(2, "a: 1")})
ENTRY = Entry(Span(NOW, NOW + timedelta(1)), 500, 4, TALLY, recut=True, finished_at=NOW)


def receipt(*reasons: tuple[str, str], accepted: int = 0) -> dict[str, object]:
    return {
        "accepted": accepted,
        "duplicate": 0,
        "rejected": len(reasons),
        "counts_accepted": 1,
        "counts_rejected": 0,
        "rejections": [{"pointer": pointer, "reason": reason} for pointer, reason in reasons],
    }


@pytest.mark.parametrize("entry", [ENTRY, Entry(None, 7)])
def test_what_is_written_is_read(tmp_path: Path, entry: Entry) -> None:
    journal = Journal.of(tmp_path / "new", ID)
    assert journal.read() is None
    journal.write(entry)
    assert journal.read() == entry
    assert [path.name for path in journal.path.parent.iterdir()] == [f"{ID}.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"span": 1}'])
def test_a_damaged_journal_says_what_to_do(tmp_path: Path, content: str) -> None:
    journal = Journal(tmp_path / "x.json")
    journal.path.write_text(content)
    with pytest.raises(JournalError, match="Delete it"):
        journal.read()


def test_a_folder_that_cannot_be_written_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="--state-dir"):
        Journal.of(tmp_path / "file", ID).write(ENTRY)


def test_reasons_that_differ_in_numbers_only_are_one() -> None:
    tally = Tally()
    for age in ("36 days, 0:00:00", "36 days, 0:01:00", "900 days, 3:10:59"):
        words = f"is {age} ago; samples are kept for 35 days"
        tally = tally.with_receipt(receipt(("/samples/3/called_at", words), accepted=1))
    ((_, reason),) = tally.rejections.items()
    assert reason.count == 3
    assert reason.words.startswith("sample called_at: is 36 days, 0:00:00 ago")
    assert (tally.accepted, tally.rejected, tally.counts_accepted) == (3, 3, 3)


def test_counts_and_samples_are_told_apart_and_reasons_are_bounded() -> None:
    kinds = [("/call_counts/0/minute", "bad"), ("/samples/1", "bad")]
    assert list(Tally().with_receipt(receipt(*kinds)).rejections) == [
        "call count minute: bad",
        "sample: bad",
    ]
    many = [("/samples/0/x", f"reason {'x' * i}") for i in range(REASONS_KEPT + 9)]
    rejections = Tally().with_receipt(receipt(*many)).rejections
    assert len(rejections) == REASONS_KEPT + 1
    assert rejections[OTHER_REASONS].count == 9


@pytest.mark.parametrize("answer", [{}, {"accepted": "x"}, receipt() | {"rejections": [1]}])
def test_an_answer_that_is_no_receipt_is_an_error(answer: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Tally().with_receipt(answer)


def a_plan(**changes: object) -> Plan:
    plain: dict[str, object] = {
        "app": "support",
        "task": "answer",
        "environment": "production",
        "release": "",
        "columns": (("prompt", "query"), ("model", "model")),
        "where": (),
        "times": Times("-30d", "now"),
        "keep_probability": 1.0,
    }
    return Plan(**(plain | changes))  # type: ignore[arg-type]


def ids(plan: Plan, *, digest: str = "d", url: str = "u", now: datetime = NOW) -> tuple[UUID, UUID]:
    span = plan.span(now=now)
    return plan.journal_id(digest=digest, url=url), plan.seed(digest=digest, span=span)


def test_the_order_of_options_makes_no_other_replay() -> None:
    turned = a_plan(columns=(("model", "model"), ("prompt", "query")))
    assert ids(turned) == ids(a_plan())


def test_relative_times_have_one_journal_but_other_calls_later() -> None:
    now, later = ids(a_plan()), ids(a_plan(), now=NOW + timedelta(hours=1))
    assert now[0] == later[0]
    assert now[1] != later[1]


def test_another_address_has_a_journal_of_its_own_but_the_same_calls() -> None:
    here, there = ids(a_plan()), ids(a_plan(), url="other")
    assert here[0] != there[0]
    assert here[1] == there[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"app": "x"},
        {"task": "x"},
        {"environment": "x"},
        {"release": "x"},
        {"columns": (("prompt", "query"),)},
        {"where": (("model", "x"),)},
        {"times": Times(column="t")},
        {"times": Times("-29d", "now")},
        {"keep_probability": 0.5},
        {"limit": 5},
    ],
)
def test_another_plan_is_another_replay(changes: dict[str, object]) -> None:
    one, other = ids(a_plan()), ids(a_plan(**changes))
    assert one[0] != other[0]
    assert one[1] != other[1]
    assert ids(a_plan(), digest="other")[1] != one[1]
