"""Per-minute counts of all calls, whether their sample is kept or not."""

from __future__ import annotations

from datetime import datetime, timezone

from watchkeeper.calls import COUNTED, Call, Facts
from watchkeeper.latency import BIN_NAMES, bin_of
from watchkeeper.repair import QUANTITY_CEILING, TOKEN_CEILING

# Rows that wait for the server at most: an app that puts an id into `model`, or a day without
# a server, must not fill the memory.
ROW_LIMIT = 50_000
_FEW = TOKEN_CEILING + 1

Key = tuple[float, str, str, str, str]  # minute, task, model, prompt_version, outcome


class CallTally:
    """What is added up over the calls of one key."""

    __slots__ = ("bins", "calls", "cost_usd", "input_tokens", "output_tokens")

    def __init__(self) -> None:
        self.calls = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost_usd = 0.0
        self.bins: list[int] = []
        """Calls by latency, as BIN_NAMES; empty while no call had one."""

    def add(
        self,
        input_tokens: int | None,
        output_tokens: int | None,
        cost_usd: float | None,
        latency_ms: float | None,
    ) -> None:
        self.calls += 1
        if input_tokens is not None:
            self.input_tokens += input_tokens
        if output_tokens is not None:
            self.output_tokens += output_tokens
        if cost_usd is not None:
            self.cost_usd += cost_usd
        if latency_ms is not None:
            if not self.bins:
                self.bins = [0] * len(BIN_NAMES)
            self.bins[bin_of(latency_ms)] += 1

    def merge(self, other: CallTally) -> None:
        self.calls += other.calls
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cost_usd += other.cost_usd
        if not self.bins:
            self.bins = list(other.bins)
        elif other.bins:
            self.bins = [mine + theirs for mine, theirs in zip(self.bins, other.bins)]

    def latency_counts(self) -> dict[str, int]:
        return {name: calls for name, calls in zip(BIN_NAMES, self.bins) if calls}


class CallCounts:
    """Additive; knows the number of the oldest call in it, for `flush()` to wait for."""

    def __init__(self, row_limit: int = ROW_LIMIT) -> None:
        self._rows: dict[Key, CallTally] = {}
        self._row_limit = row_limit
        self.first_number: int | None = None

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def calls(self) -> int:
        return sum(tally.calls for tally in self._rows.values())

    def add_plain(self, call: Call) -> bool:
        """The quick way, for all but the odd ones: counts a call as it was handed over, where its
        numbers need no repair and its row is there. The row's key is repaired, so that names which
        equal it need no repair either. Otherwise False, and nothing is counted: see `facts_of`."""
        at, called_at, task, model, version, error, tokens_in, tokens_out, cost, latency = call[
            :COUNTED
        ]
        try:
            if called_at is not None:
                if type(called_at) is not datetime or called_at.tzinfo is not timezone.utc:
                    return False
                at = called_at.timestamp()
            outcome = "ok" if error is None else "error"
            tally = self._rows[at // 60, task, model, version, outcome]
        except Exception:  # no such row; or what takes the place of a name cannot be hashed
            return False
        if tokens_in is not None and (type(tokens_in) is not int or not 0 <= tokens_in < _FEW):
            return False
        if tokens_out is not None and (type(tokens_out) is not int or not 0 <= tokens_out < _FEW):
            return False
        if cost is not None and (type(cost) is not float or not 0 <= cost <= QUANTITY_CEILING):
            return False
        if latency is not None and (
            type(latency) is not float or not 0 <= latency <= QUANTITY_CEILING
        ):
            return False
        tally.add(tokens_in, tokens_out, cost, latency)
        return True

    def add(self, facts: Facts, number: int) -> bool:
        """False where the rows are full and the call's count is lost."""
        key = (facts.minute, facts.task, facts.model, facts.prompt_version, facts.outcome)
        tally = self._rows.get(key)
        if tally is None:
            if len(self._rows) >= self._row_limit:
                return False
            tally = self._rows[key] = CallTally()
        tally.add(facts.input_tokens, facts.output_tokens, facts.cost_usd, facts.latency_ms)
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
        "latency_counts": tally.latency_counts(),
    }
