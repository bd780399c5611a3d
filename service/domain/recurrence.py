"""What a source that fires has to do with the incident that it fed last, which is resolved."""

from datetime import datetime, timedelta
from typing import Literal

from service.domain.incidents import WATCHKEEPER, AlertSignal, Incident, is_less_severe

REOPENED_WITHIN = timedelta(hours=1)
"""A fault that is back this soon after its alerts cleared was not over. It is the long window of
the fastest standard tier (Workbook, table 5-8); a tier that looks further back has more time."""

_COUNTED_BY = timedelta(minutes=1)
"""The minute of a resolution holds calls of before it, too."""


def is_back(last: Incident, signal: AlertSignal, *, at: datetime) -> bool:
    """Whether a signal is the fault of the incident that its source fed last, which is resolved.

    It is where that one resolved itself a short time ago: the windows still count its bad calls.
    What a person ended stays ended, and a ticket does not bring back a page: that would wake
    somebody for nothing.
    """
    if last.resolved_at is None or last.resolved_by != WATCHKEEPER:
        return False
    within = max(REOPENED_WITHIN, _shortest_firing(signal, "long_s"))
    return not is_less_severe(signal, last) and at - last.resolved_at <= within


def is_settling(last: Incident, signal: AlertSignal, *, at: datetime) -> bool:
    """Whether a signal rests on calls of before a person resolved the incident its source fed last.

    It does until the short window that fires holds only later calls, and of a drift until an hour
    after the resolution alarms. A severity that rises is not held back.
    """
    if last.resolved_at is None or last.resolved_by == WATCHKEEPER:
        return False
    alarmed_at = signal.evidence.get("alarmed_at")
    if alarmed_at is not None:
        return datetime.fromisoformat(alarmed_at) <= last.resolved_at
    short = _shortest_firing(signal, "short_s")
    rest = short + _COUNTED_BY if short else short
    return at - last.resolved_at < rest and not is_less_severe(last, signal)


def _shortest_firing(signal: AlertSignal, window: Literal["long_s", "short_s"]) -> timedelta:
    """Of the tiers that give the signal its severity; zero where it has none, as a drift has."""
    lengths = [
        tier[window]
        for tier in signal.evidence.get("tiers", ())
        if tier["status"] == "firing" and tier["severity"] == signal.severity
    ]
    return timedelta(seconds=min(lengths, default=0.0))
