"""What an incident's page shows of the answers and calls that are bad, and of a drift."""

import re
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import Engine

from service.domain.incidents import AlertSignal
from service.domain.scores import NewScore, SliSlice
from service.flows.evaluate_slos import evaluate_slos
from service.flows.measure_slo import measure_slo
from service.flows.open_incident import raise_alert
from service.store import partitions
from service.store.apps import App, put_app
from service.store.scores import insert_scores
from service.store.slos import find_slo
from tests.declared import NOW, a_sample, post
from tests.watched import REGISTRY, Spell, a_good_time, live_through, watch_app
from tests.web.conftest import Site

HOUR = timedelta(hours=1)
BEFORE, SINCE = NOW - 30 * HOUR, NOW - HOUR / 2
DRIFT = AlertSignal(
    source="drift/support/production/answer/length",
    kind="drift",
    app_id=0,
    app="support",
    environment="production",
    task="answer",
    severity="ticket",
    title="support: length of answer has drifted",
    sentence="length of answer: 42 % of answers are now below 120 characters.",
    evidence={
        "evaluator_version": "1-abc",
        "effect": {
            "comparison": "below",
            "value": 120.0,
            "reference_share": 0.051,
            "current_share": 0.42,
            "bound": 0.08,
            "interval": [0.38, 0.46],
            "rows": 840,
        },
    },
)


def burn(engine: Engine, *, bad: int = 5, failed: int = 0) -> App:
    """An app that has just turned bad; its incident is not yet opened."""
    app = watch_app(engine)
    turned = NOW - 6 * HOUR
    live_through(
        engine, app, [a_good_time(until=turned), Spell(turned, NOW, bad=bad, failed=failed)]
    )
    return app


def score(engine: Engine, app: App, at: datetime, labels: Counter[str]) -> None:
    """As many scores as counted, with these labels; `correct` passes."""
    with engine.begin() as connection:
        stored = find_slo(connection, app.name, "correct")
        assert stored is not None
        version = measure_slo(connection, REGISTRY, stored).evaluator_version
        assert version is not None
        where = SliSlice(at, "production", "answer", "", "gpt-4", "", "expected_answer", version)
        scores = [
            NewScore(uuid4(), at, where, float(passed), passed, label, "of the answer [7]", 1.0)
            for label in labels.elements()
            for passed in (label == "correct",)
        ]
        insert_scores(connection, app.id, scores, now=NOW)


def rows_of(page: str, caption: str) -> list[str]:
    """The text of the rows of the table whose caption begins so."""
    (table,) = [
        found for found in re.findall(r"<table>.*?</table>", page, re.S) if caption in found
    ]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:]
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


def test_labels_tell_what_is_bad_beside_the_day_before(site: Site, engine: Engine) -> None:
    app = burn(engine)
    partitions.ensure(engine, {BEFORE, SINCE})
    score(engine, app, BEFORE, Counter(correct=80, wrong=20))
    score(engine, app, SINCE, Counter(correct=1, wrong=1, no_answer=8))
    evaluate_slos(engine, REGISTRY, now=NOW)
    page = site.page("/incidents/1")
    assert rows_of(page, "What is bad: labels") == [
        "no_answer no none 80.0 % n = 8",
        "wrong no 20.0 % n = 20 10.0 % n = 1",
        "correct yes 80.0 % n = 80 10.0 % n = 1",
    ]
    assert "of the answer [7]" not in page  # an explanation may quote what was answered


def test_types_of_errors_tell_why_calls_fail(site: Site, engine: Engine) -> None:
    app = burn(engine, bad=1, failed=2)
    failed = a_sample(called_at=SINCE, outcome="error", response=None)
    timed_out = [failed._replace(sample_id=uuid4(), error_type="Timeout") for _ in range(3)]
    post(engine, app, [*timed_out, failed, a_sample(called_at=SINCE)])
    evaluate_slos(engine, REGISTRY, now=NOW)
    page = site.page("/incidents/1")
    assert rows_of(page, "What is bad: types of the errors") == [
        "Timeout none 75.0 % n = 3",
        "not given none 25.0 % n = 1",
    ]
    assert "Is 7 prime?" not in page


def test_a_drift_shows_what_drifted_and_blames_no_version(site: Site, engine: Engine) -> None:
    app = watch_app(engine)
    turned = NOW - 2 * HOUR
    live_through(
        engine, app, [a_good_time(until=turned), Spell(turned, NOW, bad=1, model="gpt-4-0613")]
    )
    with engine.begin() as connection:
        raise_alert(connection, replace(DRIFT, app_id=app.id), now=NOW - HOUR)
    page = site.page("/incidents/1")
    assert DRIFT.sentence in page
    (row,) = rows_of(page, "Share of answers beyond a value")
    assert row == "length below 120 5.1 % 42.0 % 38.0 % to 46.0 % n = 840 8.0 %"
    assert "SLOs of the same task" in page
    assert "No SLO of this task feeds this incident." in page
    assert page.index("No SLO of this task feeds this incident.") < page.index("<svg")
    assert "By version" not in page
    assert "Compare the versions below" not in page


def test_a_drift_of_a_task_without_slos_names_none(site: Site, engine: Engine) -> None:
    app = watch_app(engine)
    with engine.begin() as connection:
        elsewhere = replace(DRIFT, app_id=app.id, task="summarise")
        raise_alert(connection, elsewhere, now=NOW - HOUR)
    page = site.page("/incidents/1")
    assert "What has drifted" in page
    assert "SLOs of the same task" not in page


def test_a_young_incident_is_drawn_finer_than_an_old_one(site: Site, engine: Engine) -> None:
    burn(engine)
    evaluate_slos(engine, REGISTRY, now=NOW)
    assert "ratio of every 10 minutes" in site.page("/incidents/1")
    site.now = NOW + 7 * HOUR
    assert "ratio of every hour" in site.page("/incidents/1")


def test_an_slo_leads_to_its_open_incident(site: Site, engine: Engine) -> None:
    burn(engine)
    evaluate_slos(engine, REGISTRY, now=NOW)
    assert 'href="/incidents/1"' in site.page("/slos/support/correct")
    assert 'href="/incidents/1"' not in site.page("/slos/support/available")


def test_incidents_of_a_simulated_app_are_labelled(site: Site, engine: Engine) -> None:
    burn(engine)
    evaluate_slos(engine, REGISTRY, now=NOW)
    for simulated in (False, True):
        with engine.begin() as connection:
            put_app(
                connection,
                name="support",
                display_name="Support",
                team="care",
                simulated=simulated,
                channel_names=(),
                now=NOW,
            )
        for address in ("/incidents", "/incidents/1"):
            badge = '<span class="simulated">simulated</span>'
            assert (badge in site.page(address)) is simulated
