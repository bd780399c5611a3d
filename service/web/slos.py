"""The view of one SLO: what it promises, how it stands, and its last seven days."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup
from sqlalchemy import Connection, Engine

from evaluators.registry import Registry
from service.domain.alert_windows import AlertTier
from service.domain.burn_rate import Status
from service.errors import NotFoundError
from service.flows.measure_slo import measure_slo
from service.store.alerts import Feed, find_feed
from service.store.apps import App, find_app
from service.store.breakdowns import read_tallies_by_step
from service.store.slos import StoredSlo, find_slo, list_slos, read_states
from service.web.charts import HOUR, draw_ratio, fill_steps
from service.web.standing import Standing

CHARTED = timedelta(days=7)


class UnknownSloError(NotFoundError):
    """This app has no such SLO."""


@dataclass(frozen=True, slots=True)
class TierRow:
    """A tier as declared, with what the last evaluation found; None before there was one."""

    tier: AlertTier
    firing_ratio: float
    status: Status
    alerting: bool
    long_burn: float | None
    long_burn_at_least: float | None
    short_burn: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class SloView:
    """What the page of an SLO shows."""

    now: datetime
    app: App
    standing: Standing
    tiers: tuple[TierRow, ...]
    evaluator_version: str | None
    chart: Markup | None
    feed: Feed | None
    """The incident that its alert belongs to, while there is one."""

    @property
    def stored(self) -> StoredSlo:
        return self.standing.stored


def build_slo_view(
    engine: Engine, registry: Registry, app_name: str, name: str, *, now: datetime
) -> SloView:
    """Raises UnknownSloError, with the SLOs that the app has."""
    with engine.connect() as connection:
        app, stored = find_app(connection, app_name), find_slo(connection, app_name, name)
        if app is None or stored is None:
            raise _unknown(connection, app_name, name)
        standing = Standing.of(stored, read_states(connection).get(stored.id), now)
        measured = measure_slo(connection, registry, stored)
        start = now - CHARTED
        feed = find_feed(connection, stored.slo.alert_source)
        tallies = read_tallies_by_step(connection, measured, start, now, step=HOUR)
    return SloView(
        now=now,
        app=app,
        standing=standing,
        tiers=_tiers(standing),
        evaluator_version=measured.evaluator_version,
        chart=draw_ratio(fill_steps(tallies, start, now), stored.slo.objective),
        feed=feed,
    )


def _unknown(connection: Connection, app_name: str, name: str) -> UnknownSloError:
    names = ", ".join(stored.slo.name for stored in list_slos(connection, app=app_name)) or "none"
    return UnknownSloError(f"There is no SLO '{name}' of the app '{app_name}'; it has: {names}")


def _tiers(standing: Standing) -> tuple[TierRow, ...]:
    found = {document["key"]: document for document in standing.tiers}
    slo = standing.stored.slo
    return tuple(
        TierRow(
            tier=tier,
            firing_ratio=tier.firing_ratio(slo.objective),
            status=judged["status"] if judged and standing.freshness == "fresh" else "unknown",
            alerting=bool(judged and judged["alerting"]),
            long_burn=judged["long_burn"] if judged else None,
            long_burn_at_least=judged["long_burn_at_least"] if judged else None,
            short_burn=judged["short_burn"] if judged else None,
            reason=judged["reason"] if judged else "not evaluated yet",
        )
        for tier in slo.tiers
        for judged in (found.get(tier.key),)
    )
