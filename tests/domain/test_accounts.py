from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.domain.accounts import SILENT_AFTER, Account, find_fault, find_silence
from service.domain.instances import Ledger

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
FEW = st.integers(0, 10**6)


def a_ledger(**changes: Any) -> Ledger:
    told: dict[str, Any] = {
        "produced": 100,
        "stored": 40,
        "sampled_out": 30,
        "queued": 20,
        "dropped": {"queue_full": 7, "rejected": 3},
        "counted": 100,
        "uncounted": {},
    }
    return Ledger(**(told | changes))


@given(FEW, FEW, FEW, FEW, FEW, st.data())
def test_every_call_is_in_one_place(
    stored: int, sampled_out: int, queued: int, dropped: int, rejected: int, data: st.DataObject
) -> None:
    reasons = {"queue_full": dropped, "rejected": rejected}
    produced = stored + sampled_out + queued + dropped + rejected
    ledger = Ledger(produced, stored, sampled_out, queued, reasons, produced, {})
    newly_arrived = data.draw(st.integers(0, queued))
    newly_refused = data.draw(st.integers(0, queued - newly_arrived))
    account = Account(ledger, stored + newly_arrived, rejected + newly_refused)
    assert account.queued == queued - newly_arrived - newly_refused
    assert account.produced == (
        account.stored + account.sampled_out + sum(account.dropped.values()) + account.queued
    )
    assert find_fault(account) is None


def test_what_arrived_after_the_ledger_was_told_queues_no_more() -> None:
    account = Account(a_ledger(), arrived=58, refused=5)
    assert account.queued == 0
    assert account.dropped == {"queue_full": 7, "rejected": 5}


def test_samples_that_it_was_told_are_stored_and_are_not_are_a_fault() -> None:
    fault = find_fault(Account(a_ledger(), arrived=38, refused=3))
    assert fault == "2 samples that it was told are stored are not here"


def test_a_ledger_that_does_not_add_up_is_a_fault() -> None:
    fault = find_fault(Account(a_ledger(produced=103), arrived=40, refused=3))
    assert fault == "its ledger leaves 3 calls unexplained"


def test_more_than_there_was_is_a_fault() -> None:
    fault = find_fault(Account(a_ledger(), arrived=69, refused=3))
    assert fault == "2 samples more arrived than it says it had"


def test_what_was_given_up_and_arrived_after_all_is_no_longer_lost() -> None:
    """The answer never came, and the instance gave the batch up; we have it."""
    ledger = a_ledger(queued=0, dropped={"no_answer": 27, "rejected": 3})
    account = Account(ledger, arrived=67, refused=3)
    assert account.queued == 0
    assert account.dropped == {"no_answer": 27, "rejected": 3, "arrived_after_all": -27}
    assert find_fault(account) is None


def test_silence_is_told_only_where_something_is_missing_and_for_long() -> None:
    waiting, done = Account(a_ledger(), 40, 3), Account(a_ledger(), 60, 3)
    ago = NOW - timedelta(hours=3)
    assert find_silence(waiting, seen_at=ago, now=NOW) == (
        "last heard 3 h ago with 20 samples queued"
    )
    assert find_silence(done, seen_at=ago, now=NOW) is None
    just_now = NOW - SILENT_AFTER + timedelta(seconds=1)
    assert find_silence(waiting, seen_at=just_now, now=NOW) is None
