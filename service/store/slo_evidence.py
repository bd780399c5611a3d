"""Evidence that SLOs on scores leak slowly, by hour: what the bets of `domain/bets.py` have won.

It is added in the transaction that stores the scores, and can be made again from them. For both to
see each score exactly once, who adds holds the app's lock shared, from before it reads which SLOs
there are, and who makes it anew holds it exclusively (as with drift, `docs/decisions/0006`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import Insert, array, insert

from service.domain.bets import BETS, weigh_scores
from service.domain.leak_targets import Target, is_target
from service.domain.scores import NewScore
from service.domain.slow_leaks import HOUR, History
from service.store import locks
from service.store.slo_documents import read_slo
from service.store.tables import samples, scores, slo_evidence, slos

_Rows = dict[tuple[int, str, datetime], list[tuple[float, float, int]]]
"""Value, weight and number of scores, by SLO id, evaluator version and hour."""
_SUMS = ("n", "good_n", "w", "w2", "bad_n", "bad_w", "bad_w2")


def add_evidence(connection: Connection, app_id: int, new: Sequence[NewScore]) -> None:
    """Add what these scores, which this transaction stores, say of the app's SLOs."""
    if not new:
        return
    _hold(connection, app_id, shared=True)
    targets = _list_targets(connection, app_id)
    rows: _Rows = defaultdict(list)
    for score in new:
        for target in targets:
            value = target.value_of(score)
            if value is not None:
                key = (target.slo_id, score.slice.evaluator_version, _hour_of(score.called_at))
                rows[key].append((value, score.weight, 1))
    _add(connection, app_id, targets, rows)


def rebuild_evidence(
    connection: Connection, app_id: int, target: Target, *, start: datetime, end: datetime
) -> int:
    """Make the evidence of the whole hours in [start, end) anew, from the stored scores.

    What was won against an earlier version of the SLO goes. Scoring of the app waits until this
    transaction ends, so that of a long time better a few days are done at once. An SLO that counts
    only some releases, models or prompt versions needs the samples, which are kept for less long.
    Returns how many hours there are.
    """
    _hold(connection, app_id, shared=False)
    connection.execute(
        slo_evidence.delete().where(
            slo_evidence.c.app_id == app_id,
            slo_evidence.c.slo_id == target.slo_id,
            slo_evidence.c.hour >= start,
            slo_evidence.c.hour < end,
        )
    )
    rows: _Rows = defaultdict(list)
    for row in connection.execute(_scores_of(app_id, target, start, end)):
        value = target.worth(row.passed, row.value)
        if value is not None:
            key = (target.slo_id, row.evaluator_version, row.hour.astimezone(UTC))
            rows[key].append((value, row.weight, row.rows))
    _add(connection, app_id, [target], rows)
    return len(rows)


def _scores_of(app_id: int, target: Target, start: datetime, end: datetime) -> Any:
    """Scores that the bets cannot tell apart, as one row each."""
    indicator = target.slo.indicator
    # Of a quality SLO only whether they passed matters: a handful of rows an hour.
    value = scores.c.value if indicator.kind == "mean" else literal_column("0.0")
    hour = func.date_trunc("hour", scores.c.called_at, "UTC").label("hour")
    by = (hour, scores.c.evaluator_version, scores.c.passed, value.label("value"), scores.c.weight)
    query = select(*by, func.count().label("rows")).where(
        scores.c.app_id == app_id,
        scores.c.environment == indicator.environment,
        scores.c.task == indicator.task,
        scores.c.evaluator == indicator.evaluator,
        scores.c.called_at >= start,
        scores.c.called_at < end,
        scores.c.value.is_not(None),
        scores.c.passed.is_not(None),
    )
    wanted = {name: value for name, value in asdict(indicator.filters).items() if value is not None}
    if wanted:
        key = ("app_id", "called_at", "sample_id")
        query = query.where(
            *(samples.c[name] == scores.c[name] for name in key),
            *(samples.c[name] == value for name, value in wanted.items()),
        )
    return query.group_by(*(literal_column(str(n)) for n in range(1, 6)))


def _hold(connection: Connection, app_id: int, *, shared: bool) -> None:
    locks.hold(connection, f"slo_evidence/{app_id}", shared=shared)


def _list_targets(connection: Connection, app_id: int) -> list[Target]:
    rows = connection.execute(
        select(slos.c.id, slos.c.name, slos.c.definition).where(
            slos.c.app_id == app_id, slos.c.archived_at.is_(None)
        )
    )
    declared = (Target(row.id, read_slo("", row.name, row.definition)) for row in rows)
    return [target for target in declared if is_target(target.slo)]


def _hour_of(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _add(connection: Connection, app_id: int, targets: Iterable[Target], rows: _Rows) -> None:
    by_id = {target.slo_id: target for target in targets}
    versions = {slo_id: target.version for slo_id, target in by_id.items()}
    values = []
    # In one order for all writers, so that two of them cannot wait for each other.
    for (slo_id, evaluator_version, hour), of_hour in sorted(rows.items()):
        x, weights, times = zip(*of_hour, strict=True)
        evidence = weigh_scores(x, weights, by_id[slo_id].slo.objective, times)
        values.append(
            {
                "app_id": app_id,
                "slo_id": slo_id,
                "target_version": versions[slo_id],
                "evaluator_version": evaluator_version,
                "hour": hour,
                **asdict(evidence),
                "terms": list(evidence.terms),
            }
        )
    if values:
        connection.execute(_adding(), values)


@cache
def _adding() -> Insert:
    statement = insert(slo_evidence)
    stored, new = slo_evidence.c, statement.excluded
    # One by one: of arrays, PostgreSQL knows no sum.
    terms = array([stored.terms[number] + new.terms[number] for number in range(1, BETS + 1)])
    heavier = func.greatest(stored.good_weight, new.good_weight)
    return statement.on_conflict_do_update(
        index_elements=[column.name for column in slo_evidence.primary_key.columns],
        set_={name: stored[name] + new[name] for name in _SUMS}
        | {"good_weight": heavier, "terms": terms},
    )


_COLUMNS = ("n", "good_n", "good_weight", "w", "w2", "bad_n", "bad_w", "bad_w2")
_ARRAY_HEADER = 20
_PACKED = np.dtype(
    [
        ("hour", ">f8"),
        *((name, ">f8") for name in _COLUMNS),
        ("header", f"V{_ARRAY_HEADER}"),
        ("terms", [("length", ">i4"), ("term", ">f8")], BETS),
    ]
)
_READ = text(
    "SELECT slo_id, string_agg("
    + " || ".join(
        f"float8send(CAST({column} AS double precision))"
        for column in ("extract(epoch FROM hour)", *_COLUMNS)
    )
    + " || array_send(terms), CAST('' AS bytea) ORDER BY hour) AS packed"
    " FROM slo_evidence"
    " WHERE app_id = :app_id AND (slo_id, target_version, evaluator_version) IN :wanted"
    " AND hour >= :start AND hour < :end GROUP BY slo_id"
).bindparams(bindparam("wanted", expanding=True))
"""Packed by the database: as rows and arrays of numbers, a thousand SLOs would take seconds."""


def read_histories(
    connection: Connection,
    app_id: int,
    wanted: Iterable[tuple[Target, str]],
    *,
    start: datetime,
    end: datetime,
) -> dict[int, History]:
    """The hours in [start, end) of each SLO and evaluator version, by SLO id, where there are any.

    A float keeps the seconds of an hour exactly.
    """
    streams = [(target.slo_id, target.version, version) for target, version in wanted]
    if not streams:
        return {}
    rows = connection.execute(
        _READ, {"app_id": app_id, "wanted": streams, "start": start, "end": end}
    )
    return {row.slo_id: _unpack(bytes(row.packed)) for row in rows}


def _unpack(packed: bytes) -> History:
    read = np.frombuffer(packed, _PACKED)
    history = np.zeros(len(read), HOUR)
    history["hour"] = read["hour"] / 3600
    for name in _COLUMNS:
        history[name] = read[name]
    history["terms"] = read["terms"]["term"]
    return history
