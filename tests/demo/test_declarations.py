"""The demo's YAML: it applies, and the update that is simulated fires its alerts in time."""

from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from sqlalchemy import Engine

from evaluators.registry import load
from service.cli.documents import read_documents
from service.demo.history import CALLS_PER_HOUR
from service.demo.live import Pace
from service.demo.rhythm import HOURS, WEEKDAYS
from service.demo.support_app import AFTER_UPDATE, APP, BEFORE_UPDATE, TEAM
from service.domain.burn_rate import WindowReading, judge_slo
from service.domain.slis import Tally
from service.domain.slos import Slo
from service.flows.apply_declarations import apply_declarations
from service.specs.parse_declarations import parse_declarations
from service.store.apps import list_apps
from service.store.slos import list_slos
from tests.declared import NOW

FOLDER = Path(str(files("service.demo") / "declarations"))
VARIABLES = {"DEMO_WEBHOOK_URL": "http://127.0.0.1:9/messages"}
ANSWERS_PER_HOUR = dict(CALLS_PER_HOUR)["answer"]
LIVE_ANSWERS_PER_S = Pace().calls_per_second * 4 / 5


def test_the_declarations_apply_to_an_empty_database(engine: Engine) -> None:
    apply_declarations(engine, load(), read_documents(FOLDER), VARIABLES, now=NOW)
    with engine.connect() as connection:
        [app] = list_apps(connection, team=TEAM)
        slos = {stored.slo.name for stored in list_slos(connection)}
    assert app.name == APP
    assert slos == {"questions-answered", "routing-valid", "answer-available"}


def test_the_app_says_that_it_is_simulated() -> None:
    [app] = parse_declarations(read_documents(FOLDER), VARIABLES).apps
    assert app.simulated
    assert "simulated" in app.display_name


@pytest.mark.parametrize("share_of_mean", [min(HOURS) * min(WEEKDAYS), max(HOURS) * max(WEEKDAYS)])
def test_the_update_pages_within_three_minutes_by_night_and_by_day(share_of_mean: float) -> None:
    past_per_s = ANSWERS_PER_HOUR * share_of_mean / 3600
    assert severity_after(timedelta(seconds=-1), past_per_s) is None
    assert severity_after(timedelta(minutes=3), past_per_s) == "page"


def severity_after(since_update: timedelta, past_per_s: float) -> str | None:
    """What the SLO says then, were the refusals exactly as many as is to be expected."""
    slo = quality_slo()
    readings = {length: reading(length, since_update, past_per_s) for length in slo.window_lengths}
    return judge_slo(slo, readings, NOW).severity


def quality_slo() -> Slo:
    declared = parse_declarations(read_documents(FOLDER), VARIABLES)
    [slo] = [spec.slo for spec in declared.slos if spec.slo.name == "questions-answered"]
    return slo


def reading(length: timedelta, since_update: timedelta, past_per_s: float) -> WindowReading:
    """A window over what was posted as history, sent live before the update, and after it."""
    length_s = length.total_seconds()
    after_s = min(max(0.0, since_update.total_seconds()), length_s)
    before_s = min(Pace().update_after_s, length_s - after_s)
    past = (length_s - after_s - before_s) * past_per_s + before_s * LIVE_ANSWERS_PER_S
    after = after_s * LIVE_ANSWERS_PER_S
    bad = past * BEFORE_UPDATE.refusal_rate + after * AFTER_UPDATE.refusal_rate
    return WindowReading(Tally.from_counts(int(past + after), int(bad)), newest_at=NOW)
