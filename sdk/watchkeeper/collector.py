"""Sorts recorded calls: counts every one, keeps the samples of some."""

from __future__ import annotations

import random

from watchkeeper import repair
from watchkeeper.backlog import Backlog, KeptSample
from watchkeeper.calls import Call, Facts, facts_of, plain_facts
from watchkeeper.counts import CallCounts
from watchkeeper.intake import Intake
from watchkeeper.ledger import Ledger
from watchkeeper.rates import SampleRates
from watchkeeper.sample_ids import new_sample_id
from watchkeeper.samples import SampleWriter
from watchkeeper.sampling import decide
from watchkeeper.settings import Settings
from watchkeeper.troubles import Troubles
from watchkeeper.wake import give_way

_CHUNK = 64  # calls taken under one hold of the lock, and sorted in a millisecond or so ...
_MASKED_CHUNK = 4  # ... as fewer are where each text is masked
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
        self.rates = SampleRates(settings.sample_rate)
        self.counts = CallCounts()
        self._writer = SampleWriter(settings)
        # Its own, as a collector is of one process: forks must not draw the same ids
        self._random_bits = random.Random().getrandbits  # noqa: S311 - guards nothing
        self.backlog = Backlog(settings.max_queue, settings.max_queue_bytes)

    @property
    def first_number(self) -> int | None:
        """The oldest call that is not in a batch yet, of those taken."""
        numbers = (self.backlog.first_number, self.counts.first_number)
        return min((n for n in numbers if n is not None), default=None)

    def collect(self) -> None:
        chunk = _MASKED_CHUNK if self._settings.masks else _CHUNK
        for _ in range(_TURN // chunk):
            calls, first = self._intake.take(chunk)
            for number, call in enumerate(calls, first):
                self._sort(call, number)
            if len(calls) < chunk:
                break
            give_way()
        self._intake.hand_over_counts(self.counts)

    def _sort(self, call: Call, number: int) -> None:
        """Books the call in both accounts, each exactly once, whatever it holds."""
        repairs: list[str] = []
        is_counted = False
        try:
            facts: Facts | None
            is_counted = self.counts.add_plain(call)
            if is_counted:
                facts = plain_facts(call)
            else:
                facts = facts_of(call, repairs)
                is_counted = facts is not None and self.counts.add(facts, number)
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
        session_id, _, _, sample_id, flag, trace_id = call[14:]
        session = repair.as_name(session_id, "session_id", repairs)
        if sample_id is None:
            sample = new_sample_id(facts.called_at_s, self._random_bits)
        else:
            sample = repair.as_sample_id(sample_id, repairs)
        decision = decide(
            session or repair.as_name(trace_id, "trace_id", []) or sample,
            self.rates.of(facts.task),
            is_error=facts.outcome == "error",
            is_flagged=flag is True,
        )
        if decision is None:
            return None
        return self._writer.write(call, facts, sample, session, decision, repairs)
