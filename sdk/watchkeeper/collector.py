"""Sorts recorded calls: counts every one, keeps the samples of some."""

from __future__ import annotations

from watchkeeper import repair
from watchkeeper.backlog import Backlog, KeptSample
from watchkeeper.batches import Batch, build_batch
from watchkeeper.call import Call, Facts, facts_of
from watchkeeper.counts import CallCounts
from watchkeeper.intake import Intake
from watchkeeper.ledger import Ledger
from watchkeeper.samples import wire_sample
from watchkeeper.sampling import is_kept, keep_probability
from watchkeeper.settings import Settings
from watchkeeper.troubles import Troubles

BACKLOG_BYTES = 64 * 1024 * 1024
_CHUNK = 256  # calls taken under one hold of the lock
_TURN = 5_000  # calls sorted before the sender looks at the clock again


class Collector:
    """For the sender's thread."""

    def __init__(
        self, settings: Settings, intake: Intake, ledger: Ledger, troubles: Troubles
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._ledger = ledger
        self._troubles = troubles
        self._counts = CallCounts()
        self.backlog = Backlog(settings.max_queue, BACKLOG_BYTES)

    @property
    def is_empty(self) -> bool:
        return not self.backlog and not self._counts

    @property
    def first_number(self) -> int | None:
        """The oldest call that is not in a batch yet, of those taken."""
        numbers = (self.backlog.first_number, self._counts.first_number)
        return min((n for n in numbers if n is not None), default=None)

    def collect(self) -> None:
        for _ in range(_TURN // _CHUNK):
            calls, first = self._intake.take(_CHUNK)
            for number, call in enumerate(calls, first):
                self._sort(call, number)
            if len(calls) < _CHUNK:
                break
        self._intake.hand_over_counts(self._counts)

    def next_batch(self) -> Batch | None:
        return build_batch(self._settings, self.backlog, self._counts)

    def _sort(self, call: Call, number: int) -> None:
        """Books the call in both accounts, each exactly once, whatever it holds."""
        repairs: list[str] = []
        is_counted = False
        try:
            facts = facts_of(call, repairs)
            is_counted = facts is not None and self._counts.add(facts, number)
            sample = None if facts is None else self._sample_of(call, facts, repairs)
        except BaseException as error:  # __str__ of the app's own may even call sys.exit()
            self._ledger.book_dropped("unserialisable")
            if not is_counted:
                self._ledger.book_uncounted("unserialisable")
            self._troubles.tell("call", "dropped a call: %s", type(error).__name__)
            return
        self._ledger.book_repairs(repairs)
        if not is_counted:
            self._ledger.book_uncounted("no_task" if facts is None else "too_many_rows")
        if facts is None:
            self._ledger.book_dropped("no_task")
            self._troubles.tell("task", "dropped a call: record() was given no task")
        elif sample is None:
            self._ledger.book_sampled_out(1)
        else:
            shed = self.backlog.push(KeptSample(number, sample))
            if shed:
                self._ledger.book_dropped("queue_full", shed)

    def _sample_of(self, call: Call, facts: Facts, repairs: list[str]) -> bytes | None:
        session_id = repair.as_name(call.session_id, "session_id", repairs)
        sample_id = repair.as_sample_id(call.sample_id, repairs)
        probability = keep_probability(facts.outcome, self._settings.sample_rate)
        if not is_kept(session_id or sample_id, probability):
            return None
        return wire_sample(
            call,
            facts,
            sample_id=sample_id,
            session_id=session_id,
            keep_probability=probability,
            environment=self._settings.environment,
            release=self._settings.release,
            repairs=repairs,
        )
