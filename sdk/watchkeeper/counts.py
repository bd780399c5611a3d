"""Per-minute counts of all calls, whether their sample is kept or not."""

from __future__ import annotations

from datetime import datetime, timezone

from watchkeeper.call import Facts

# Rows that wait for the server at most: an app that puts an id into `model`, or a day without
# a server, must not fill the memory.
ROW_LIMIT = 50_000

Key = tuple[int, str, str, str, str]  # minute, task, model, prompt_version, outcome


class CallTally:
    """What is added up over the calls of one key."""

    __slots__ = ("calls", "cost_usd", "input_tokens", "output_tokens")

    def __init__(self) -> None:
        self.calls = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost_usd = 0.0

    def add(self, facts: Facts) -> None:
        self.calls += 1
        self.input_tokens += facts.input_tokens or 0
        self.output_tokens += facts.output_tokens or 0
        self.cost_usd += facts.cost_usd or 0.0

    def merge(self, other: CallTally) -> None:
        self.calls += other.calls
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cost_usd += other.cost_usd


class CallCounts:
    """Additive; knows the number of the oldest call in it, for `flush()` to wait for."""

    def __init__(self, row_limit: int = ROW_LIMIT) -> None:
        self._rows: dict[Key, CallTally] = {}
        self._row_limit = row_limit
        self.first_number: int | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, facts: Facts, number: int) -> bool:
        """False where the rows are full and the call's count is lost."""
        key = (facts.minute, facts.task, facts.model, facts.prompt_version, facts.outcome)
        tally = self._rows.get(key)
        if tally is None:
            if len(self._rows) >= self._row_limit:
                return False
            tally = self._rows[key] = CallTally()
        tally.add(facts)
        if self.first_number is None:
            self.first_number = number
        return True

    def absorb(self, other: CallCounts) -> int:
        """Takes over what another has counted; how many calls were lost to the row limit."""
        lost = 0
        for key, theirs in other._rows.items():
            tally = self._rows.get(key)
            if tally is not None:
                tally.merge(theirs)
            elif len(self._rows) < self._row_limit:
                self._rows[key] = theirs
            else:
                lost += theirs.calls
        known = [n for n in (self.first_number, other.first_number) if n is not None]
        self.first_number = min(known, default=None) if self._rows else None
        return lost

    def pop(self) -> tuple[Key, CallTally]:
        """The row that came first."""
        key = next(iter(self._rows))
        tally = self._rows.pop(key)
        if not self._rows:
            self.first_number = None
        return key, tally


def wire_row(key: Key, tally: CallTally, environment: str, release: str) -> dict[str, object]:
    """One entry of `call_counts`."""
    minute, task, model, prompt_version, outcome = key
    moment = datetime.fromtimestamp(minute * 60, tz=timezone.utc)
    return {
        "minute": moment.strftime("%Y-%m-%dT%H:%M:00Z"),
        "environment": environment,
        "release": release,
        "task": task,
        "model": model,
        "prompt_version": prompt_version,
        "outcome": outcome,
        "calls": tally.calls,
        "input_tokens": tally.input_tokens,
        "output_tokens": tally.output_tokens,
        "cost_usd": tally.cost_usd,
    }
