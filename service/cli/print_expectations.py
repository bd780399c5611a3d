"""What an SLO's alerts will do, as a table on 80 columns."""

from datetime import timedelta

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.domain.alert_expectations import TierExpectation
from service.domain.alert_windows import spell_duration
from service.domain.slos import Slo
from service.domain.spelling import percent, whole
from service.flows.expect_alerts import expect_alerts
from service.store.usual_traffic import UsualTraffic

_HEADINGS = (
    "Tier",
    "Fires\nabove",
    "All bad:\nseen in",
    "Doubled:\nseen in",
    "Resets\nin",
    "Bad\nneeded",
    "False a\nmonth",
)
_EQUAL = 0.995
_WHOLE_FROM = 10
_HOUR = timedelta(hours=1)
_WHOLE_HOURS_FROM = 10 * _HOUR


def print_expectations(console: Console, slo: Slo, traffic: UsualTraffic | None) -> None:
    """A row per tier, under what it was reckoned from."""
    console.print()
    promise = f"{percent(slo.objective)} good over {spell_duration(slo.window)}"
    console.print(Text(f"{slo.app}/{slo.name}: {promise}", "bold"))
    console.print(Text(_basis(slo, traffic)))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for number, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for expected in expect_alerts(slo, traffic):
        table.add_row(*(Text(cell) for cell in _cells(expected, traffic)))
    console.print(table)


def _basis(slo: Slo, traffic: UsualTraffic | None) -> str:
    if traffic is None:
        is_composite = slo.indicator.kind == "composite"
        why = "A composite has no calls of its own" if is_composite else "Nothing was counted yet"
        return f"{why}; for plenty of calls that spend half of the budget:"
    often = whole(round(traffic.counted_per_hour, 1))
    if traffic.bad_ratio is None:
        return f"{often} time slices an hour; where they spend half of the budget:"
    counted = f"{often} {slo.indicator.counted}s an hour"
    worth = ""
    if traffic.effective_share < _EQUAL:
        worth = f", each worth {percent(traffic.effective_share)} of one"
    said = f"In 4 weeks: {counted}, {percent(traffic.bad_ratio)} bad{worth}."
    if traffic.bad_ratio > 1 - slo.objective:
        said += "\nThat is worse than the objective: its alerts are no false ones."
    return said


def _cells(expected: TierExpectation, traffic: UsualTraffic | None) -> tuple[str, ...]:
    tier, fires = expected.tier, percent(expected.firing_ratio)
    named = f"{tier.severity} {spell_duration(tier.long)}"
    needed = "never" if expected.events_needed is None else whole(expected.events_needed)
    usual = None if traffic is None else traffic.bad_ratio
    if usual is not None and usual > expected.firing_ratio:
        # Nothing can set it off, and nothing resets it.
        return named, fires, "is on", "is on", "never", needed, "always"
    return (
        named,
        fires,
        _about(expected.detects_total_failure_after),
        _about(expected.detects_doubling_after),
        _about(expected.resets_after),
        needed,
        "unknown" if usual is None else _alerts(expected),
    )


def _about(duration: timedelta | None) -> str:
    """With the digits that matter; `never` is an answer."""
    if duration is None:
        return "never"
    if duration >= _WHOLE_HOURS_FROM:
        duration = round(duration / _HOUR) * _HOUR
    return spell_duration(duration)


def _alerts(expected: TierExpectation) -> str:
    """What a simulated year had; where it had none, what that year makes unlikely."""
    if not expected.alerts_a_month:
        return f"< {expected.alerts_a_month_at_most:.2g}"
    often = expected.alerts_a_month
    return f"{often:.2g}" if often < _WHOLE_FROM else whole(round(often))
