"""SLOs that stand as a test needs them, as evaluations would have stored it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from service.domain.slos import Consequence, Slo
from service.store.apps import App
from service.store.slos import SloState, find_slo, put_slo, put_states
from tests.declared import NOW, declare_slo


def a_tier(cause: str | None = None, *, hours: float = 1, burn: float | None = 0.4) -> Any:
    """A tier of a stored verdict."""
    return {
        "key": f"page-14.4-{hours * 60:g}m",
        "severity": "page",
        "long_s": hours * 3600,
        "short_s": hours * 300,
        "factor": 14.4,
        "status": "unknown" if cause else "healthy",
        "alerting": False,
        "long_burn": burn,
        "long_burn_at_least": 0.2,
        "short_burn": burn,
        "reason": "no call for 45 m" if cause else "5 of 100 calls failed",
        "cause": cause,
    }


def a_verdict(
    remaining: float | None = 0.6,
    *,
    within: float = 0.1,
    severity: str | None = None,
    tiers: Sequence[Any] = (),
) -> dict[str, Any]:
    """A stored verdict with that much of the budget left, give or take."""
    spent = None if remaining is None else 1 - remaining
    return {
        "severity": severity,
        "alerting_tiers": [],
        "tiers": list(tiers) or [a_tier()],
        "budget": {
            "spent": spent,
            "remaining": remaining,
            "interval": [0.0, 9.0] if spent is None else [spent - within, spent + within],
        },
        "attainment": {
            "good_ratio": None if spent is None else 1 - spent * 0.05,
            "interval": [0.9, 0.99],
            "n": 2000,
            "effective_n": 1500.0,
        },
    }


def declare_policy(engine: Engine, app: App, *policy: Consequence, **declared: Any) -> Slo:
    """An SLO on calls, with this error budget policy."""
    slo = replace(declare_slo(engine, app, evaluator=None, **declared), policy=policy)
    with engine.begin() as connection:
        put_slo(connection, app.id, slo, display_name=slo.name.replace("-", " "))
    return slo


def put(
    engine: Engine,
    slo: Slo,
    status: str = "healthy",
    verdict: dict[str, Any] | None = None,
    *,
    at: datetime = NOW,
) -> None:
    """Store this as what an evaluation found."""
    with engine.begin() as connection:
        stored = find_slo(connection, slo.app, slo.name)
        assert stored is not None
        found = a_verdict() if verdict is None else verdict
        put_states(connection, [SloState(stored.id, status, f"it is {status}", found, at)])
