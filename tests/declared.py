"""Apps, tasks, keys and samples as tests need them, written through the product's own doors."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import Engine

from service.domain.alert_windows import propose_catalogue
from service.domain.calls import Batch, CallCount, NewSample, Slice
from service.domain.indicators import Indicator, IndicatorKind
from service.domain.slos import Slo
from service.flows.ingest_batches import Post, Receipt, ingest_batches
from service.store.apps import App, find_app, put_app
from service.store.slos import put_slo
from service.store.tasks import EvaluatorChoice, StoredTask, put_task

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday
RETENTION = timedelta(days=35)
PRIME = EvaluatorChoice("expected_answer", {"pattern": r"\[(yes|no)\]"}, None)
LENGTH = EvaluatorChoice("length", {}, None)


def declare_app(engine: Engine, name: str = "support", *, team: str = "care") -> App:
    """An app without channels."""
    with engine.begin() as connection:
        put_app(
            connection,
            name=name,
            display_name=name.title(),
            team=team,
            simulated=False,
            channel_names=(),
            now=NOW,
        )
        app = find_app(connection, name)
    assert app is not None
    return app


def declare_task(
    engine: Engine,
    app: App,
    *evaluators: EvaluatorChoice,
    name: str = "answer",
    drift: tuple[str, ...] = (),
) -> StoredTask:
    """A task of that app."""
    task = StoredTask(app.id, name, None, evaluators, drift)
    with engine.begin() as connection:
        put_task(connection, task)
    return task


_SAMPLE = NewSample(
    sample_id=uuid4(),
    called_at=NOW,
    environment="production",
    task="answer",
    release="",
    model="gpt-4",
    prompt_version="",
    outcome="ok",
    error_type=None,
    prompt="Is 7 prime?",
    response="[Yes]",
    reference="yes",
    latency_ms=10.0,
    input_tokens=1,
    output_tokens=1,
    cost_usd=0.001,
    finish_reason=None,
    session_id=None,
    user_id=None,
    keep_probability=1.0,
    attributes={},
)


def a_sample(**changes: object) -> NewSample:
    """A sample of an answer that passes, with these changes."""
    return _SAMPLE._replace(**{"sample_id": uuid4(), **changes})


def a_count(calls: int = 1, *, outcome: str = "ok", minute: datetime = NOW) -> CallCount:
    """Calls of the default slice."""
    key = Slice(minute, "production", "answer", "", "gpt-4", "", outcome)
    return CallCount(key, calls, 0, 0, 0.0)


def post(
    engine: Engine,
    app: App,
    samples: Iterable[NewSample] = (),
    counts: Iterable[CallCount] = (),
    *,
    now: datetime = NOW,
) -> Receipt:
    """Ingest one batch."""
    batch = Batch(
        batch_id=uuid4(), samples=dict(enumerate(samples)), counts=dict(enumerate(counts))
    )
    (outcome,) = ingest_batches(
        engine, [Post(key_id=0, app=app, batch=batch)], now=now, retention_of=lambda _app: RETENTION
    )
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def declare_slo(
    engine: Engine,
    app: App,
    *,
    name: str = "answers-correct",
    evaluator: str | None = "expected_answer",
    objective: float = 0.95,
) -> Slo:
    """An SLO over 28 days with the usual catalogue of its objective."""
    kind: IndicatorKind = "availability" if evaluator is None else "quality"
    window = timedelta(days=28)
    slo = Slo(
        name=name,
        app=app.name,
        indicator=Indicator(kind, "answer", "production", evaluator),
        objective=objective,
        window=window,
        tiers=propose_catalogue(objective, window),
    )
    with engine.begin() as connection:
        put_slo(connection, app.id, slo, display_name=name.replace("-", " "))
    return slo
