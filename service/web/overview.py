"""The view of the first page: every app, what is open, and whether anybody is looking."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from service.domain.incidents import Incident
from service.domain.sessions import Abandonments
from service.store import drift
from service.store.apps import App, list_apps
from service.store.drift import DriftState
from service.store.incidents import list_incidents
from service.store.scoring_jobs import Backlog, read_backlog
from service.store.sessions import read_abandonments
from service.store.slos import latest_evaluation, list_slos, read_states
from service.web.incidents import UNRESOLVED
from service.web.misnamed import find_misnamed
from service.web.standing import Freshness, Standing, judge_freshness

_OPEN_SHOWN = 50
_SESSIONS_SHOWN = timedelta(days=1)
_DRIFT_STALE_AFTER = timedelta(minutes=10)
"""Drift is tested every minute."""


@dataclass(frozen=True, slots=True)
class AppCard:
    """One app with its SLOs and drift tests; `notices` are names that do not meet."""

    app: App
    notices: tuple[str, ...]
    slos: tuple[Standing, ...]
    drifts: tuple[DriftState, ...]
    sessions: tuple[Abandonments, ...]
    """Those of the last day, by environment and task."""


@dataclass(frozen=True, slots=True)
class OverviewView:
    """What the first page shows."""

    now: datetime
    apps: tuple[AppCard, ...]
    unresolved: tuple[Incident, ...]
    backlog: Backlog
    last_evaluated_at: datetime | None
    worker: Freshness

    @property
    def simulated(self) -> frozenset[str]:
        """The names of the apps that are played."""
        return frozenset(card.app.name for card in self.apps if card.app.simulated)

    @property
    def has_slos(self) -> bool:
        return any(card.slos for card in self.apps)


def build_overview(engine: Engine, *, now: datetime) -> OverviewView:
    """Read it all in one connection."""
    with engine.connect() as connection:
        states = read_states(connection)
        drifts = [_as_of(state, now) for state in drift.list_states(connection)]
        slos = [Standing.of(stored, states.get(stored.id), now) for stored in list_slos(connection)]
        latest = latest_evaluation(connection)
        misnamed = find_misnamed(connection, slos, now=now)
        apps = list_apps(connection)
        sessions = read_abandonments(
            connection, [app.id for app in apps], start=now - _SESSIONS_SHOWN, end=now
        )
        return OverviewView(
            now=now,
            apps=tuple(
                _card(app, misnamed.get(app.id, ()), slos, drifts, sessions) for app in apps
            ),
            unresolved=tuple(list_incidents(connection, statuses=UNRESOLVED, limit=_OPEN_SHOWN)),
            backlog=read_backlog(connection),
            last_evaluated_at=latest,
            worker=judge_freshness(latest, now),
        )


def _card(
    app: App,
    notices: tuple[str, ...],
    slos: list[Standing],
    drifts: list[DriftState],
    sessions: list[Abandonments],
) -> AppCard:
    return AppCard(
        app,
        notices,
        tuple(standing for standing in slos if standing.stored.app_id == app.id),
        tuple(state for state in drifts if state.app_id == app.id),
        tuple(ended for ended in sessions if ended.app_id == app.id),
    )


def _as_of(state: DriftState, now: datetime) -> DriftState:
    """A verdict that nobody has renewed is no longer known."""
    if now - state.evaluated_at <= _DRIFT_STALE_AFTER:
        return state
    return replace(state, status="unknown")
