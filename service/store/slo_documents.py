"""SLOs as JSON: what is stored of a declaration, and read back as it was."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from service.domain.alert_windows import AlertTier
from service.domain.budget_windows import Calendar
from service.domain.indicators import Filters, Indicator, Member
from service.domain.slos import Budgeting, Consequence, Slo


def write_slo(slo: Slo) -> dict[str, Any]:
    """All of the SLO but its name and its app; durations in seconds."""
    length = slo.budgeting.slice_length
    return {
        "indicator": asdict(slo.indicator),
        "objective": slo.objective,
        "window_s": slo.window.total_seconds(),
        "tiers": [write_tier(tier) for tier in slo.tiers],
        "calendar": None if slo.calendar is None else _write_calendar(slo.calendar),
        "budgeting": {
            "method": slo.budgeting.method,
            "slice_s": None if length is None else length.total_seconds(),
            "slice_target": slo.budgeting.slice_target,
        },
        "policy": [asdict(consequence) for consequence in slo.policy],
    }


def read_slo(app: str, name: str, document: dict[str, Any]) -> Slo:
    """The SLO that was written."""
    budgeting, calendar = document["budgeting"], document["calendar"]
    length = budgeting["slice_s"]
    return Slo(
        name,
        app,
        _read_indicator(document["indicator"]),
        document["objective"],
        timedelta(seconds=document["window_s"]),
        tuple(_read_tier(tier) for tier in document["tiers"]),
        None if calendar is None else _read_calendar(calendar),
        Budgeting(
            budgeting["method"],
            None if length is None else timedelta(seconds=length),
            budgeting["slice_target"],
        ),
        tuple(Consequence(**consequence) for consequence in document["policy"]),
    )


def write_tier(tier: AlertTier) -> dict[str, Any]:
    """A tier; lengths in seconds."""
    document = asdict(tier)
    return document | {
        "long_s": document.pop("long").total_seconds(),
        "short_s": document.pop("short").total_seconds(),
    }


def _read_tier(document: dict[str, Any]) -> AlertTier:
    return AlertTier(
        severity=document["severity"],
        long=timedelta(seconds=document["long_s"]),
        short=timedelta(seconds=document["short_s"]),
        factor=document["factor"],
        budget_share=document["budget_share"],
    )


def _read_indicator(document: dict[str, Any]) -> Indicator:
    nested = {
        "signals": tuple(document["signals"]),
        "filters": Filters(**document["filters"]),
        "members": tuple(Member(**member) for member in document["members"]),
    }
    return Indicator(**document | nested)


def _write_calendar(calendar: Calendar) -> dict[str, Any]:
    return asdict(calendar) | {"since": calendar.since.isoformat()}


def _read_calendar(document: dict[str, Any]) -> Calendar:
    return Calendar(**document | {"since": datetime.fromisoformat(document["since"])})
