"""Apps with a history, for reports and pages: counts of every ten minutes, written by the store."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from evaluators import registry
from service.domain.alert_windows import propose_catalogue, standard_catalogue
from service.domain.calls import CallCount, Slice
from service.domain.indicators import Indicator
from service.domain.scores import SliCounts, SliSlice
from service.domain.slis import Tally
from service.domain.slos import Slo
from service.flows.build_evaluators import build_evaluators
from service.store import partitions
from service.store.apps import App
from service.store.call_counts import add_call_counts
from service.store.sli_minutes import add_sli_counts
from service.store.slos import put_slo
from service.store.tasks import find_task
from tests.declared import NOW, PRIME, declare_app, declare_task

STEP = timedelta(minutes=10)
WINDOW = timedelta(days=28)
QUALITY = Indicator("quality", "answer", "production", "expected_answer")
AVAILABILITY = Indicator("availability", "answer", "production")
REGISTRY = registry.load()


@dataclass(frozen=True)
class Spell:
    """What happened in every ten minutes of a stretch [start, end)."""

    start: datetime
    end: datetime
    scored: int = 5
    bad: int = 0
    failed: int = 0
    calls: int = 2
    cost_usd: float = 0.25
    model: str = "gpt-4-0314"

    @property
    def minutes(self) -> list[datetime]:
        return [self.start + n * STEP for n in range(int((self.end - self.start) / STEP))]


def watch_app(
    engine: Engine, name: str = "support", *, team: str = "care", objective: float = 0.8
) -> App:
    """An app with one task and two SLOs: `correct` (quality) and `available`."""
    app = declare_app(engine, name, team=team)
    declare_task(engine, app, PRIME)
    tiers = propose_catalogue(objective, WINDOW)
    correct = Slo("correct", name, QUALITY, objective, WINDOW, tiers)
    available = Slo("available", name, AVAILABILITY, 0.99, WINDOW, standard_catalogue(WINDOW))
    with engine.begin() as connection:
        put_slo(connection, app.id, correct, display_name="Answers are correct")
        put_slo(connection, app.id, available, display_name="Calls succeed")
    return app


def live_through(engine: Engine, app: App, spells: Iterable[Spell]) -> None:
    """Write what the spells say."""
    with engine.connect() as connection:
        task = find_task(connection, app.id, QUALITY.task)
    assert task is not None
    (version,) = (
        built.version
        for built in build_evaluators(REGISTRY, task)
        if built.name == QUALITY.evaluator
    )
    scored: dict[SliSlice, SliCounts] = {}
    counts: list[CallCount] = []
    for spell in spells:
        for minute in spell.minutes:
            where = (minute, "production", "answer", "", spell.model, "")
            counts.append(CallCount(Slice(*where, "ok"), spell.calls, 1, 1, spell.cost_usd))
            if spell.failed:
                counts.append(CallCount(Slice(*where, "error"), spell.failed, 1, 0, 0.0))
            if spell.scored:
                tally = Tally.from_counts(spell.scored, spell.bad)
                scored[SliSlice(*where, "expected_answer", version)] = SliCounts(tally)
    partitions.ensure(engine, {count.slice.minute for count in counts})
    with engine.begin() as connection:
        add_sli_counts(connection, app.id, scored)
        add_call_counts(connection, app.id, counts)


def a_good_time(days: int = 14, *, until: datetime = NOW) -> Spell:
    """One bad answer of five, as the objective of 0.8 allows, and no failed call."""
    return Spell(until - timedelta(days=days), until, bad=1)
