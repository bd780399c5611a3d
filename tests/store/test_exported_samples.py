import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event

from service.domain.calls import NewSample, SampleKey
from service.domain.scores import NewScore, SliSlice
from service.store import exported_samples
from service.store.apps import App
from service.store.exported_samples import Order, Page, Wanted, read_page, read_scores
from service.store.scores import insert_scores
from tests.declared import NOW, a_sample, declare_app, post

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def app(engine: Engine) -> App:
    return declare_app(engine)


def posted(engine: Engine, app: App, *samples: NewSample) -> list[NewSample]:
    """What was stored, the oldest first."""
    post(engine, app, samples)
    return sorted(samples, key=lambda sample: (sample.called_at, sample.sample_id))


def page_of(
    engine: Engine,
    app: App,
    wanted: Wanted | None = None,
    *,
    order: Order = "asc",
    limit: int = 10,
    after: SampleKey | None = None,
) -> Page:
    with engine.connect() as connection:
        return read_page(
            connection, app.id, wanted or Wanted(), order=order, limit=limit, after=after
        )


def all_pages(engine: Engine, app: App, wanted: Wanted, **options: Any) -> list[Page]:
    pages = [page_of(engine, app, wanted, **options)]
    while pages[-1].ends_at is not None:
        pages.append(page_of(engine, app, wanted, after=pages[-1].ends_at, **options))
    return pages


def ids(pages: list[Page]) -> list[str]:
    return [str(sample.call.sample_id) for page in pages for sample in page.samples]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_hold_every_sample_once_and_in_order(engine: Engine, app: App, order: Order) -> None:
    rng = random.Random(7)
    # Many calls of one moment: the id alone keeps them apart.
    times = [NOW - rng.randrange(6) * 7 * timedelta(hours=5) for _ in range(50)]
    stored = posted(engine, app, *(a_sample(called_at=at) for at in times))
    pages = all_pages(engine, app, Wanted(), order=order, limit=7)
    expected = [str(sample.sample_id) for sample in stored]
    assert ids(pages) == (expected if order == "asc" else expected[::-1])
    assert [len(page.samples) for page in pages] == [7] * 7 + [1]


def test_a_sample_is_read_as_it_was_posted(engine: Engine, app: App) -> None:
    told = a_sample(
        release="1.2", prompt_version="v3", outcome="error", error_type="Timeout", reference=None,
        session_id="s", user_id="u", keep_probability=0.25, attributes={"a": 1.5, "b": True},
    )  # fmt: skip
    posted(engine, app, told)
    (found,) = page_of(engine, app).samples
    assert found == (told, NOW)


@pytest.mark.parametrize(
    "name",
    [
        *("environment", "task", "release", "model", "prompt_version"),
        *("outcome", "session_id", "user_id"),
    ],
)
def test_each_filter_lets_only_its_own_pass(engine: Engine, app: App, name: str) -> None:
    value = "error" if name == "outcome" else "other"
    other = a_sample(**{name: value})
    posted(engine, app, a_sample(), other, a_sample())
    assert ids(all_pages(engine, app, Wanted(**{name: value}))) == [str(other.sample_id)]


def test_a_sample_is_found_by_its_id(engine: Engine, app: App) -> None:
    known, *_ = posted(engine, app, a_sample(called_at=NOW - 3 * DAY), a_sample(), a_sample())
    assert ids([page_of(engine, app, Wanted(sample_id=known.sample_id))]) == [str(known.sample_id)]
    assert page_of(engine, app, Wanted(sample_id=uuid4())) == Page((), None)


def test_a_range_holds_its_start_and_not_its_end(engine: Engine, app: App) -> None:
    times = [NOW - 2 * MINUTE, NOW - MINUTE, NOW]
    _, middle, _ = posted(engine, app, *(a_sample(called_at=at) for at in times))
    wanted = Wanted(since=NOW - MINUTE, until=NOW)
    assert ids([page_of(engine, app, wanted)]) == [str(middle.sample_id)]


def test_another_app_s_samples_are_never_in_a_page(engine: Engine, app: App) -> None:
    posted(engine, declare_app(engine, "sales"), a_sample())
    assert page_of(engine, app) == Page((), None)


def test_a_page_ends_where_its_texts_grow_too_large(
    engine: Engine, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported_samples, "PAGE_BYTES", 10_000)
    sizes = [4_000, 4_000, 4_000, 30_000, 100]
    stored = posted(
        engine,
        app,
        *(
            a_sample(called_at=NOW - MINUTE * (9 - number), prompt="x" * size)
            for number, size in enumerate(sizes)
        ),
    )
    pages = all_pages(engine, app, Wanted())
    assert [[len(sample.call.prompt or "") for sample in page.samples] for page in pages] == [
        [4_000, 4_000],
        [4_000],
        [30_000],  # too large for any page, and in one all the same
        [100],
    ]
    assert ids(pages) == [str(sample.sample_id) for sample in stored]


def test_attributes_count_for_the_size_of_a_page(
    engine: Engine, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported_samples, "PAGE_BYTES", 10_000)
    posted(engine, app, *(a_sample(attributes={"log": "x" * 6_000}) for _ in range(3)))
    assert [len(page.samples) for page in all_pages(engine, app, Wanted())] == [1, 1, 1]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_search_for_something_rare_goes_on_over_empty_pages(
    engine: Engine, app: App, monkeypatch: pytest.MonkeyPatch, order: Order
) -> None:
    monkeypatch.setattr(exported_samples, "EXAMINED_AT_MOST", 10)
    stored = posted(engine, app, *(a_sample(called_at=NOW - n * MINUTE) for n in range(95)))
    rare = [stored[n] for n in (3, 57, 58, 94)]
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE samples SET user_id = 'rare' WHERE sample_id = ANY(%s)",
            ([sample.sample_id for sample in rare],),
        )
    pages = all_pages(engine, app, Wanted(user_id="rare"), order=order)
    expected = [str(sample.sample_id) for sample in rare]
    assert ids(pages) == (expected if order == "asc" else expected[::-1])
    assert len(pages) == 10, "each page looks at ten samples"


def a_score(sample: NewSample, evaluator: str, value: float | None) -> NewScore:
    minute = sample.called_at.replace(second=0, microsecond=0)
    where = SliSlice(minute, "production", "answer", "", "gpt-4", "", evaluator, "1")
    passed = None if value is None else value > 0.5
    return NewScore(sample.sample_id, sample.called_at, where, value, passed, "x", "why", 2.0)


def test_the_scores_of_a_page_are_read_in_one_query(engine: Engine, app: App) -> None:
    first, second, third = posted(
        engine, app, *(a_sample(called_at=NOW - n * 3 * DAY) for n in range(3))
    )
    scores = [
        a_score(first, "length", 12.0),
        a_score(first, "correct", 0.0),
        a_score(third, "correct", None),
    ]
    with engine.begin() as connection:
        insert_scores(connection, app.id, scores, now=NOW)
    found = page_of(engine, app).samples
    with statements(engine) as seen, engine.connect() as connection:
        by_place = read_scores(connection, app.id, found)
    assert len(seen) == 1
    told = {
        sample_id: [(score.evaluator, score.value, score.passed) for score in scores]
        for (_, sample_id), scores in by_place.items()
    }
    assert told == {
        first.sample_id: [("correct", 0.0, False), ("length", 12.0, True)],
        third.sample_id: [("correct", None, None)],
    }
    assert second.sample_id not in told


@contextmanager
def statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Every statement of the block, with its parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def plans_of(engine: Engine, wanted: Wanted, **options: Any) -> list[Any]:
    """How PostgreSQL goes about the page, and about the scores on it."""
    app = declare_app(engine)
    with statements(engine) as seen:
        page = page_of(engine, app, wanted, **options)
        with engine.connect() as connection:
            read_scores(connection, app.id, page.samples)
    plans = []
    with engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")  # the tables are tiny
        for statement, parameters in seen:
            explained = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            (plan,) = explained.scalar_one()
            plans.append(plan["Plan"])
    return plans


def nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def scanned(plans: list[Any]) -> set[str]:
    return {
        node["Relation Name"].rpartition("_p")[2]
        for plan in plans
        for node in nodes(plan)
        if "Relation Name" in node
    }


def days(*instants: datetime) -> set[str]:
    return {f"{at:%Y%m%d}" for at in instants}


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("task", [None, "answer"])
def test_only_partitions_of_the_range_are_scanned_and_by_the_primary_key(
    engine: Engine, app: App, order: Order, task: str | None
) -> None:
    samples = posted(engine, app, *(a_sample(called_at=NOW - n * DAY) for n in range(9)))
    wanted = Wanted(since=NOW - 4 * DAY, until=NOW - 2 * DAY, task=task)
    plans = plans_of(engine, wanted, order=order)
    assert scanned(plans) == days(NOW - 4 * DAY, NOW - 3 * DAY, NOW - 2 * DAY)
    of_samples = [n for plan in plans[:-1] for n in nodes(plan) if "Index Name" in n]
    assert {node["Index Name"].endswith("_pkey") for node in of_samples} == {True}
    # Nothing is sorted: the key's order is the page's.
    assert "Sort" not in {node["Node Type"] for plan in plans[:-1] for node in nodes(plan)}
    # A cursor is a bound, too.
    after = samples[4]  # NOW - 4 days
    plans = plans_of(engine, Wanted(), order=order, after=after.key)
    beyond = range(5) if order == "asc" else range(4, 9)
    assert scanned(plans) & days(*(NOW - n * DAY for n in range(9))) == days(
        *(NOW - n * DAY for n in beyond)
    )


def test_a_sample_is_found_by_its_id_through_its_index(engine: Engine, app: App) -> None:
    some, *_ = posted(engine, app, *(a_sample() for _ in range(2_000)))
    with engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE samples")
    (plan, *_) = plans_of(engine, Wanted(sample_id=some.sample_id))
    used = {node["Index Name"] for node in nodes(plan) if "Index Name" in node}
    assert f"samples_p{NOW:%Y%m%d}_app_id_sample_id_idx" in used
