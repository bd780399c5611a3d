"""Sessions: the calls of one conversation, and whether its user gave up."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Literal, NamedTuple
from uuid import UUID, uuid5

from service.domain.calls import NewSample
from service.domain.sampling import LOWEST_RATE
from service.domain.signals import ABANDONED, THUMBS, NewSignal, speaks_against
from service.domain.slis import Tally

IDLE = timedelta(minutes=30)
"""A session without a call for this long is over: the half hour of web analytics."""
KEPT_FOR = "watchkeeper.kept_for"
"""The attribute of samples that were kept for what they are, though their session was not."""
SESSION_PROBABILITY = "watchkeeper.session_probability"
"""The attribute of samples that would have been kept anyway (their own probability is 1): with
which probability their session was. Sessions of errors only would weigh too little without it."""

Abandonment = Literal["signalled", "failed", "rejected"]
"""Why a session counts as abandoned: the app said so; its last call failed, and the user did not
come back; the user rejected the last answer, and asked for no other."""


class SessionKey(NamedTuple):
    """What names a session of an app; ordered, so that writers lock in one order."""

    environment: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Session:
    """A stretch of calls without a long pause. What is last follows the latest call."""

    key: SessionKey
    task: str
    user_id: str | None
    started_at: datetime
    last_called_at: datetime
    calls: int
    keep_probability: float
    """With which its calls were kept: all of them or none."""
    last_sample_id: UUID
    last_outcome: str


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a user did with the last answer of a session."""

    signalled_at: datetime
    kind: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ended."""

    session: Session
    abandonment: Abandonment | None

    def derive_signal(self, app_id: int) -> NewSignal | None:
        """The signal of an abandonment that nobody told; the same one however often we ask."""
        if self.abandonment is None or self.abandonment == "signalled":
            return None
        last = self.session
        return NewSignal(
            signal_id=uuid5(last.last_sample_id, f"{ABANDONED}/{app_id}"),
            signalled_at=last.last_called_at,
            sample_id=last.last_sample_id,
            environment=last.key.environment,
            task=last.task,
            kind=ABANDONED,
            value=None,
            text=self.abandonment,
            session_id=last.key.session_id,
            user_id=last.user_id,
            is_derived=True,
        )


@dataclass(frozen=True, slots=True)
class Abandonments:
    """Sessions of one task that ended in some time, as sums over them."""

    app_id: int
    environment: str
    task: str
    tally: Tally
    """Bad is abandoned: `bad_ratio` and its interval are weighted by the keep probability."""


def gather_sessions(samples: Iterable[NewSample]) -> list[Session]:
    """What these samples add to the sessions of their app, in the order of the sessions' keys.

    Left out are samples without a session, and those that were kept although their session was
    not: a session of errors only would be what their rule made, not what users met.
    """
    gathered: dict[SessionKey, list[NewSample]] = {}
    for sample in samples:
        if sample.session_id and KEPT_FOR not in sample.attributes:
            key = SessionKey(sample.environment, sample.session_id)
            gathered.setdefault(key, []).append(sample)
    return [_session_of(key, gathered[key]) for key in sorted(gathered)]


def _session_of(key: SessionKey, samples: list[NewSample]) -> Session:
    ordered = sorted(samples, key=attrgetter("called_at", "sample_id"))
    last = ordered[-1]
    users = [sample.user_id for sample in ordered if sample.user_id]
    return Session(
        key=key,
        task=last.task,
        user_id=users[-1] if users else None,
        started_at=ordered[0].called_at,
        last_called_at=last.called_at,
        calls=len(ordered),
        keep_probability=min(_kept_with(sample) for sample in ordered),
        last_sample_id=last.sample_id,
        last_outcome=last.outcome,
    )


def _kept_with(sample: NewSample) -> float:
    told = sample.attributes.get(SESSION_PROBABILITY)
    if isinstance(told, float) and LOWEST_RATE <= told <= 1:
        return told
    return sample.keep_probability


def judge_ending(session: Session, reactions: Iterable[Reaction]) -> Ending:
    """How a session that is over ended, from its last call and what the user did with it."""
    return Ending(session, _abandonment(session, sorted(reactions, key=attrgetter("signalled_at"))))


def _abandonment(session: Session, reactions: list[Reaction]) -> Abandonment | None:
    if any(speaks_against(each.kind, each.value) for each in reactions if each.kind == ABANDONED):
        return "signalled"
    if session.last_outcome == "error":
        return "failed"
    # Who votes twice has changed their mind: the last vote counts.
    votes = [each for each in reactions if each.kind == THUMBS][-1:]
    others = [each for each in reactions if each.kind not in (THUMBS, ABANDONED)]
    if any(speaks_against(each.kind, each.value) for each in (*votes, *others)):
        return "rejected"
    return None
