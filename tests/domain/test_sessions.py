from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from service.domain.sessions import (
    KEPT_FOR,
    SESSION_PROBABILITY,
    Abandonment,
    Reaction,
    Session,
    SessionKey,
    gather_sessions,
    judge_ending,
)
from tests.declared import a_sample

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)


def a_session(last_outcome: str = "ok") -> Session:
    key = SessionKey("production", "s-1")
    return Session(key, "answer", "u-1", NOW, LATER, 3, 0.1, UUID(int=7), last_outcome)


def reacted(kind: str, value: float | None = None, *, after_s: int = 10) -> Reaction:
    return Reaction(LATER + timedelta(seconds=after_s), kind, value)


@pytest.mark.parametrize(
    ("outcome", "reactions", "expected"),
    [
        ("ok", [], None),
        ("ok", [reacted("thumbs", 1.0)], None),
        ("ok", [reacted("copied")], None),
        ("error", [], "failed"),
        ("ok", [reacted("thumbs", -1.0)], "rejected"),
        ("ok", [reacted("regenerated")], "rejected"),
        ("ok", [reacted("correction")], "rejected"),
        ("ok", [reacted("abandoned")], "signalled"),
        ("error", [reacted("abandoned")], "signalled"),
        ("ok", [reacted("abandoned", 0.0)], None),
    ],
)
def test_a_session_is_abandoned_for_one_of_three_reasons(
    outcome: str, reactions: list[Reaction], expected: Abandonment | None
) -> None:
    assert judge_ending(a_session(outcome), reactions).abandonment == expected


def test_who_votes_again_has_changed_their_mind() -> None:
    votes = [reacted("thumbs", 1.0, after_s=20), reacted("thumbs", -1.0, after_s=10)]
    assert judge_ending(a_session(), votes).abandonment is None


def test_a_derived_abandonment_is_a_signal_of_the_last_call_and_always_the_same_one() -> None:
    ending = judge_ending(a_session("error"), [])
    signal = ending.derive_signal(app_id=1)
    assert signal is not None
    assert (signal.kind, signal.is_derived, signal.text) == ("abandoned", True, "failed")
    assert (signal.sample_id, signal.signalled_at) == (UUID(int=7), LATER)
    assert (signal.session_id, signal.user_id) == ("s-1", "u-1")
    assert judge_ending(a_session("error"), []).derive_signal(app_id=1) == signal
    other = ending.derive_signal(app_id=2)
    assert other is not None
    assert other.signal_id != signal.signal_id


def test_what_an_app_told_itself_is_not_told_again() -> None:
    assert judge_ending(a_session(), [reacted("abandoned")]).derive_signal(app_id=1) is None
    assert judge_ending(a_session(), []).derive_signal(app_id=1) is None


def test_samples_gather_to_sessions_whatever_their_order() -> None:
    first = a_sample(session_id="b", called_at=NOW, keep_probability=0.5, user_id="u-1")
    last = a_sample(session_id="b", called_at=LATER, outcome="error", task="summarise")
    other = a_sample(session_id="a", called_at=NOW)
    expected = Session(
        key=SessionKey("production", "b"),
        task="summarise",
        user_id="u-1",
        started_at=NOW,
        last_called_at=LATER,
        calls=2,
        keep_probability=0.5,
        last_sample_id=last.sample_id,
        last_outcome="error",
    )
    for order in ([first, last, other], [other, last, first]):
        sessions = gather_sessions(order)
        assert [session.key.session_id for session in sessions] == ["a", "b"]
        assert sessions[1] == expected


def test_an_error_that_would_be_kept_anyway_tells_with_which_probability_its_session_was() -> None:
    told = a_sample(session_id="a", outcome="error", attributes={SESSION_PROBABILITY: 0.1})
    (session,) = gather_sessions([told])
    assert session.keep_probability == 0.1


@pytest.mark.parametrize("told", [0.0, -1.0, 1.5, True, "0.1"])
def test_what_no_probability_can_be_is_not_believed(told: object) -> None:
    (session,) = gather_sessions([a_sample(session_id="a", attributes={SESSION_PROBABILITY: told})])
    assert session.keep_probability == 1.0


def test_samples_that_were_kept_for_what_they_are_belong_to_no_session() -> None:
    kept_for_its_error = a_sample(session_id="a", attributes={KEPT_FOR: "error"})
    assert gather_sessions([kept_for_its_error, a_sample(), a_sample(session_id="")]) == []
