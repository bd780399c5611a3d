"""The view of one SLO: what it promises, how it stands, and its last seven days."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup
from sqlalchemy import Engine

from evaluators.registry import Registry
from service.domain.alert_windows import AlertTier
from service.domain.budget_policy import Crossing
from service.domain.burn_rate import Status
from service.domain.corrections import Correction
from service.flows.measure_slo import measure_slo
from service.store.alerts import Feed, find_feed
from service.store.apps import App
from service.store.breakdowns import read_tallies_by_step
from service.store.budget_crossings import read_crossings
from service.store.corrections import list_corrections
from service.store.known_apps import require_app
from service.store.known_slos import require_slo
from service.store.slos import StoredSlo, read_states
from service.web.charts import HOUR, draw_ratio, fill_steps
from service.web.standing import Standing

CHARTED = timedelta(days=7)


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
    crossings: tuple[Crossing, ...]
    """Consequences of its budget policy that are in force, or were within its window."""
    corrections: tuple[Correction, ...]
    """Those that hold for it and reach into its window, or are to come; revoked ones too."""

    @property
    def stored(self) -> StoredSlo:
        return self.standing.stored


def build_slo_view(
    engine: Engine, registry: Registry, app_name: str, name: str, *, now: datetime
) -> SloView:
    """Raises UnknownSloError, with the SLOs that there are."""
    with engine.connect() as connection:
        stored = require_slo(connection, app_name, name)
        app = require_app(connection, app_name)
        standing = Standing.of(stored, read_states(connection).get(stored.id), now)
        measured = measure_slo(connection, registry, stored)
        start = now - CHARTED
        feed = find_feed(connection, stored.slo.alert_source)
        since = stored.slo.budget_starts_at(now)
        crossings = read_crossings(connection, since=since, slo_id=stored.id).get(stored.id, [])
        corrections = list_corrections(connection, since=since, app_id=app.id)
        tallies = read_tallies_by_step(connection, measured, start, now, step=HOUR)
    return SloView(
        now=now,
        app=app,
        standing=standing,
        tiers=_tiers(standing),
        evaluator_version=measured.evaluator_version,
        chart=draw_ratio(fill_steps(tallies, start, now), stored.slo.objective),
        feed=feed,
        crossings=tuple(crossings),
        corrections=tuple(each for each in corrections if each.concerns(stored.slo)),
    )


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
