"""How long one evaluation of 1,000 SLOs takes, and what a hundred times the traffic changes.

    python -m benchmarks.slo_evaluation

1,000 SLOs on 40 tasks, of quality and availability, each with four tiers and a budget of 30 days,
over 38 days in which every minute has calls and scores. Everything is evaluated as a worker does
it every few seconds: read, judged, written. Then the same again, where every count is a hundred
times as large. Time is the median of some turns; rows are what PostgreSQL says it fetched from the
counts.

Beside 100 of them: Prometheus, where it is installed, with the 17 rules that an SLO needs there.
"""

import json
import resource
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, text

from benchmarks.prometheus_peer import measure_prometheus
from evaluators.registry import Registry, load
from service.domain.alert_windows import propose_catalogue
from service.domain.indicators import Indicator
from service.domain.slos import Slo
from service.flows.evaluate_slos import evaluate_slos
from service.store import partitions
from service.store.apps import find_app, put_app
from service.store.embedded import EmbeddedServer
from service.store.schema import migrate
from service.store.slos import put_slo
from service.store.tasks import EvaluatorChoice, StoredTask, put_task

APPS, TASKS, SLOS = 5, 8, 25  # tasks per app, SLOs per task
COMPARED = 100  # SLOs, with Prometheus
DAYS = 30
TURNS = 5
WINDOW = timedelta(days=DAYS)
NOW = datetime.now(UTC).replace(second=20, microsecond=0)
OBJECTIVES = (0.9, 0.95, 0.97, 0.98, 0.99)
PASSING = EvaluatorChoice("passing", {}, {"at_least": 0.5, "at_most": None}, reported=True)


@dataclass
class Cost:
    """Of one evaluation."""

    seconds: float
    seconds_of_some: float
    rows: int
    rss_mb: float


def measure(traffic: int) -> Cost:
    """The cost of evaluating, where every count is so many times as large."""
    home = Path(tempfile.mkdtemp(prefix="watchkeeper-benchmark-"))
    home.chmod(0o711)  # PostgreSQL passes through, as another account where we are root
    try:
        with EmbeddedServer(home, durable=False) as server:
            engine = create_engine(server.url)
            migrate(engine)
            _declare(engine)
            _count(engine, traffic)
            registry = load()
            _evaluate(engine, registry)  # warm
            before = _rows_fetched(engine)
            seconds = [_evaluate(engine, registry) for _ in range(TURNS)]
            rows = (_rows_fetched(engine) - before) // TURNS
            _archive_all_but(engine, COMPARED)
            of_some = [_evaluate(engine, registry, COMPARED) for _ in range(TURNS)]
            engine.dispose()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(statistics.median(seconds), statistics.median(of_some), rows, rss_mb)


def _evaluate(engine: Engine, registry: Registry, expected: int = APPS * TASKS * SLOS) -> float:
    begin = time.perf_counter()
    verdicts = evaluate_slos(engine, registry, now=NOW)
    seconds = time.perf_counter() - begin
    statuses = {verdict.status for verdict in verdicts.values()}
    assert len(verdicts) == expected, len(verdicts)
    assert statuses == {"healthy"}, statuses
    return seconds


def _archive_all_but(engine: Engine, some: int) -> None:
    with engine.begin() as connection:
        archived = (
            "UPDATE slos SET archived_at = now() WHERE id > (SELECT min(id) + :some - 1 FROM slos)"
        )
        connection.execute(text(archived), {"some": some})


def _declare(engine: Engine) -> None:
    with engine.begin() as connection:
        for app_number in range(APPS):
            name = f"app-{app_number}"
            put_app(
                connection,
                name=name,
                display_name=name,
                team="bench",
                simulated=True,
                channel_names=(),
                now=NOW,
            )
            app = find_app(connection, name)
            assert app is not None
            for task_number in range(TASKS):
                _declare_task(connection, app.id, name, f"task-{task_number}")


def _declare_task(connection: Connection, app_id: int, app: str, task: str) -> None:
    put_task(connection, StoredTask(app_id, task, None, (PASSING,), ()))
    for number in range(SLOS):
        objective = OBJECTIVES[number // 2 % len(OBJECTIVES)]
        indicator = (
            Indicator("quality", task, "production", PASSING.name)
            if number % 2
            else Indicator("availability", task, "production")
        )
        tiers = propose_catalogue(objective, WINDOW)
        slo = Slo(f"{task}-{number}", app, indicator, objective, WINDOW, tiers)
        put_slo(connection, app_id, slo, display_name=slo.name)


_MINUTES = """
    INSERT INTO {table} (app_id, environment, task, minute, release, model, prompt_version, {names})
    SELECT a.id, 'production', t.name, m, '', 'gpt-4', '', {values}
    FROM apps a JOIN tasks t ON t.app_id = a.id,
    generate_series(CAST(:start AS timestamptz), :end, interval '1 minute') m
"""
_TOTALS = """
    INSERT INTO {table} (app_id, environment, task, release, model, prompt_version, span,
    starts_at, minutes_seen, {names})
    SELECT app_id, environment, task, release, model, prompt_version, :span,
    date_trunc(:unit, minute), bit_or(CASE WHEN :span = 1 THEN
    1::bigint << extract(minute FROM minute)::int ELSE 0 END), {values}
    FROM {minutes} GROUP BY app_id, environment, task, release, model, prompt_version,
    date_trunc(:unit, minute){more}
"""
_CALLS = "calls, squares, input_tokens, output_tokens, cost_usd"
_SCORES = "failed_n, n, w, w2, wx, wx2, bad_n, bad_w, bad_w2"


def _count(engine: Engine, traffic: int) -> None:
    """2.2 million minutes of calls and of scores, and their totals."""
    start = NOW - WINDOW - timedelta(days=8)
    partitions.ensure(engine, [start + timedelta(days=day) for day in range(DAYS + 10)])
    k = 100 * traffic
    of_calls = f"'ok', {k}, {k}, 0, 0, 0, '{{}}'"
    of_scores = f"'passing', :version, 0, {k}, {k}, {k}, {k}, {k}, 0, 0, 0"
    version = PASSING.reported_rule.version
    times = {"start": start.replace(second=0), "end": NOW}
    with engine.begin() as connection:
        for table, names, values in (
            ("call_counts", f"outcome, {_CALLS}, latency_counts", of_calls),
            ("sli_minutes", f"evaluator, evaluator_version, {_SCORES}", of_scores),
        ):
            statement = _MINUTES.format(table=table, names=names, values=values)
            connection.execute(text(statement), times | {"version": version})
        for span, unit in ((1, "hour"), (24, "day")):
            for table, minutes, key, sums in (
                ("call_totals", "call_counts", "outcome", _CALLS),
                ("sli_totals", "sli_minutes", "evaluator, evaluator_version", _SCORES),
            ):
                added = ", ".join(f"sum({name})" for name in sums.split(", "))
                extra = (", latency_counts", ", '{}'") if table == "call_totals" else ("", "")
                statement = _TOTALS.format(
                    table=table,
                    minutes=minutes,
                    names=f"{key}, {sums}{extra[0]}",
                    values=f"{key}, {added}{extra[1]}",
                    more=f", {key}",
                )
                connection.execute(text(statement), {"span": span, "unit": unit})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def _rows_fetched(engine: Engine) -> int:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        query = text(
            "SELECT sum(idx_tup_fetch + seq_tup_read) FROM pg_stat_user_tables"
            " WHERE relname ~ '^(call|sli)_'"
        )
        time.sleep(1.5)  # the statistics of other connections come in within a second
        return int(connection.scalar(query) or 0)


if __name__ == "__main__":
    once = measure(1)
    often = measure(100)
    for name, cost in (("once", once), ("100 times", often)):
        print(f"{name:>10}  {cost.seconds:.2f} s  {cost.rows:,} rows  {cost.rss_mb:.0f} MB")
    figures = {
        "seconds": round(once.seconds, 2),
        "cost_ratio_100x": round(often.seconds / once.seconds, 2),
        "rows_ratio_100x": round(often.rows / once.rows, 3),
        "rows_per_slo": once.rows // (APPS * TASKS * SLOS),
        "rss_mb": round(often.rss_mb),
        "seconds_100_slos": round(once.seconds_of_some, 3),
    }
    prometheus = measure_prometheus(COMPARED)
    if prometheus is not None:
        print(f"{COMPARED} SLOs: {once.seconds_of_some:.3f} s, Prometheus {prometheus:.3f} s")
        figures["prometheus_ratio"] = round(prometheus / once.seconds_of_some, 1)
    print(json.dumps(figures))
