"""The real logs: GPT-4 of March 2023 as the past, of June as today. Does anybody notice?

What the paper found (arXiv 2307.09009; on these rows): primes answered rightly 84.0 % -> 50.2 %.
"""

import csv
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select

from evaluators import registry
from service.cli.documents import read_documents
from service.flows.apply_declarations import apply_declarations
from service.flows.create_api_key import create_api_key
from service.jobs.timetable import TIMETABLE, Bench, run_once
from service.settings import Settings
from service.store import tables
from service.wiring import build_api, open_bench
from tests.notify.receiver import Receiver, listen
from tests.serving import serving

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday: the last two days are of one week
START, UPDATE = NOW - timedelta(days=30), NOW - timedelta(days=2)
MARCH, JUNE = "openaichat/gpt-4-0314", "openaichat/gpt-4-0613"
HOUR = timedelta(hours=1)
EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "llmdrift"
JOBS = {job.name: job for job in TIMETABLE}


@dataclass
class Story:
    """A running service, its clock at NOW, and somebody who gets its webhooks."""

    url: str
    key: str
    bench: Bench
    receiver: Receiver
    home: Path

    def replay(self, log: Path, task: str, model: str, start: datetime, end: datetime) -> None:
        """`watchkeeper replay`, as a process of its own."""
        columns = {
            "prompt": "query",
            "response": "answer",
            "reference": "ref_answer",
            "model": "model",
            "latency_s": "latency",
            "cost_usd": "cost",
        }
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "service", "replay", str(log)),
                *("--app", "llmdrift", "--task", task, "--url", self.url, "--api-key", self.key),
                *("--where", f"model={model}", "--state-dir", str(self.home)),
                *("--from", start.isoformat(), "--to", end.isoformat()),
                *(part for pair in columns.items() for part in ("--map", "=".join(pair))),
            ],
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def work(self, *names: str) -> None:
        """Run these jobs of the timetable once."""
        for name in names:
            run_once(JOBS[name], self.bench)

    def live_through_the_update(self) -> None:
        """Judge the SLOs every hour of the last two days, as the days would have gone."""
        for hour in range(int((NOW - UPDATE) / HOUR) + 1):
            now = UPDATE + hour * HOUR
            run_once(JOBS["evaluate_slos"], replace(self.bench, clock=lambda now=now: now))

    def get(self, path: str) -> Any:
        """What the API answers."""
        answer = httpx.get(self.url + path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def story(engine: Engine, tmp_path: Path) -> Iterator[Story]:
    with ExitStack() as stack:
        receiver = stack.enter_context(listen())
        variables = {"WATCHKEEPER_WEBHOOK_URL": receiver.url}
        documents = read_documents(EXAMPLE)
        apply_declarations(engine, registry.load(), documents, variables, now=NOW)
        key = create_api_key(engine, "llmdrift", now=NOW).secret
        bench = stack.enter_context(open_bench(engine, Settings(), clock=lambda: NOW))
        url = stack.enter_context(serving(build_api(engine, Settings(), clock=lambda: NOW)))
        yield Story(url, key, bench, receiver, tmp_path)


def slo_of(report: Any, name: str) -> Any:
    """The report's row of that SLO."""
    (row,) = [slo for app in report["apps"] for slo in app["slos"] if slo["name"] == name]
    return row


def test_the_fall_from_march_to_june_is_one_page_and_stands_in_the_report(
    story: Story, llmdrift: Path
) -> None:
    # The file is sorted by its right answers: in its order June would begin all wrong and end well.
    log = shuffle(llmdrift / "PRIME_FULL_EVAL.csv", story.home / "prime.csv", seed="prime")
    story.replay(log, "prime", MARCH, START, UPDATE)
    story.replay(log, "prime", JUNE, UPDATE, NOW)
    story.work("score_samples")
    story.live_through_the_update()
    story.work("detect_drift", "deliver_notifications")

    (incident,) = story.get("/v1/incidents")["incidents"]
    assert (incident["severity"], incident["status"]) == ("page", "open")
    assert (incident["app"], incident["task"]) == ("llmdrift", "prime")
    (post,) = story.receiver.posts
    assert post.body["type"] == "incident.opened"
    assert post.headers["webhook-id"] == f"incident-{incident['id']}-opened"
    assert "did not pass expected_answer" in post.body["data"]["summary"]

    whole = story.get(f"/v1/incidents/{incident['id']}")
    sources = {alert["source"] for alert in whole["alerts"]}
    assert "slo/llmdrift/correct-answers" in sources
    assert any(source.startswith("drift/") for source in sources), "length drifted, too"

    before = story.get("/v1/reports/weekly?team=research&week=2026-W47")
    after = story.get("/v1/reports/weekly?team=research&week=2026-W48")
    past, present = slo_of(before, "correct-answers"), slo_of(after, "correct-answers")
    assert contains(past, 0.840)
    assert contains(present, 0.502)
    assert past["attainment"]["interval"][0] > present["attainment"]["interval"][1]


def contains(slo: Any, ratio: float) -> bool:
    low, high = slo["attainment"]["interval"]
    return bool(low <= ratio <= high)


def test_the_rise_of_refusals_opens_one_incident(story: Story, llmdrift: Path) -> None:
    log = shuffle(llmdrift / "SENSITIVEQ_EVAL.csv", story.home / "sensitive.csv", seed="sensitive")
    story.replay(log, "sensitive", MARCH, START, UPDATE)
    story.replay(log, "sensitive", JUNE, UPDATE, NOW)
    story.work("score_samples")
    story.live_through_the_update()
    story.work("detect_drift", "deliver_notifications")
    (incident,) = story.get("/v1/incidents")["incidents"]
    assert (incident["severity"], incident["task"]) == ("page", "sensitive")
    (post,) = story.receiver.posts
    assert "did not pass refusal" in post.body["data"]["summary"]


def test_march_replayed_as_past_and_present_opens_no_incident(
    story: Story, llmdrift: Path, engine: Engine
) -> None:
    for name, start, end in (("past", START, UPDATE), ("present", UPDATE, NOW)):
        shuffled = shuffle(llmdrift / "PRIME_FULL_EVAL.csv", story.home / f"{name}.csv", seed=name)
        story.replay(shuffled, "prime", MARCH, start, end)
    story.work("score_samples")
    story.live_through_the_update()
    story.work("detect_drift", "deliver_notifications")
    assert story.get("/v1/incidents")["incidents"] == []
    assert story.receiver.posts == []
    with engine.connect() as connection:
        judged = connection.scalars(select(tables.slo_states.c.status)).all()
        scored = connection.scalar(select(func.count()).select_from(tables.sli_minutes))
    assert "healthy" in judged
    assert scored, "a service that sees nothing would pass this test, too"


def shuffle(log: Path, into: Path, *, seed: str) -> Path:
    """The same rows in another order."""
    csv.field_size_limit(10_000_000)
    with log.open(newline="", encoding="utf-8") as source:
        head, *rows = csv.reader(source)
    random.Random(seed).shuffle(rows)
    with into.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target).writerows([head, *rows])
    return into
