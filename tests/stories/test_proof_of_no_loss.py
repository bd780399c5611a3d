"""Apps under load, and everything behind them killed: what they produced is what is stored."""

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, select, text

from service.domain.accounts import find_fault
from service.domain.latency import BUCKET_OF_NAME
from service.flows.create_api_key import create_api_key
from service.store import tables
from service.store.apps import App
from service.store.sdk_instances import list_instances
from service.wiring import utc_now
from tests import busy_app
from tests.declared import PRIME, declare_app, declare_task
from tests.mortal_service import PARTS, MortalService, mortal_service
from tests.waiting import wait_for

BLOWS = [*combinations(PARTS, 2), PARTS]
"""Each part dies three times: with either of the others, and with both."""
UNANSWERED = 2
"""Blows that come between a commit and its answer; of any two, both API and PostgreSQL have one."""
RESTARTS = 2
RATES = {
    "thorough": {"answer": 1.0, "summary": 1.0},
    "frugal": {"answer": 0.3, "summary": 0.7},
    "restless": {"answer": 1.0, "summary": 0.5},
}
Books = dict[str, Any]


class BusyApps:
    """A process of each app, and the books of all that have ended, by the release they told."""

    def __init__(self, service: MortalService, key: str, spools: Path) -> None:
        self._service, self._key, self._spools = service, key, spools
        self._running: dict[str, subprocess.Popen[str]] = {}
        self.books: dict[str, Books] = {}

    def start(self, app: str) -> None:
        """Under load when this returns."""
        runs = sum(name.startswith(app) for name in self.books)
        release, spool = f"{app}/{runs + 1}", str(self._spools / app)
        process = subprocess.Popen(
            [
                *(sys.executable, busy_app.__file__, self._service.url, self._key),
                *(spool, release, json.dumps(RATES[app])),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._running[release] = process
        assert process.stdout is not None
        assert process.stdout.readline() == "under way\n"

    def restart(self, app: str) -> None:
        """What is unsent is left to the next process, in the app's spool."""
        (release,) = (name for name in self._running if name.startswith(app))
        self._running[release].terminate()
        self._note_end(release)
        self.start(app)

    def finish(self) -> None:
        """All of them, once everything is sent."""
        for process in self._running.values():
            assert process.stdin is not None
            process.stdin.close()
            process.stdin = None  # communicate() would flush it
        for release in list(self._running):
            self._note_end(release)

    def kill(self) -> None:
        """Those that a failure has left."""
        for process in self._running.values():
            process.kill()
            process.communicate()

    def _note_end(self, release: str) -> None:
        printed, _ = self._running[release].communicate(timeout=60)
        assert self._running.pop(release).returncode == 0
        self.books[release] = json.loads(printed)


@contextmanager
def busy_apps(service: MortalService, key: str, spools: Path) -> Iterator[BusyApps]:
    apps = BusyApps(service, key, spools)
    try:
        for app in RATES:
            apps.start(app)
        yield apps
    finally:
        apps.kill()


def strike(service: MortalService, apps: BusyApps, chance: random.Random) -> None:
    """Every blow, at moments and in an order of chance; the dead come back before the next one.

    In some of the outages an app is restarted, too.
    """
    blows = chance.sample(BLOWS, len(BLOWS))
    unanswered = chance.sample(blows, UNANSWERED)
    restarts = chance.sample(blows, RESTARTS)
    for blow in blows:
        due = count(service, tables.ingest_batches) + chance.randint(2, 20)
        wait_for(
            lambda due=due: count(service, tables.ingest_batches) >= due,
            within_s=60,
            what=f"{due} batches",
        )
        with service.answers_withheld() if blow in unanswered else nullcontext():
            for part in chance.sample(blow, len(blow)):
                service.kill(part)
        if blow in restarts:
            apps.restart("restless")
        for part in PARTS:
            if part in blow:
                service.start(part)


def count(service: MortalService, table: Table) -> int:
    """How many rows; PostgreSQL must be there."""
    service.supervise()
    with service.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


# --- what is compared ----------------------------------------------------------------------------


def assert_clients_account_for_everything(books: dict[str, Books]) -> None:
    for each in books.values():
        stats = each["stats"]
        assert stats["produced"] == sum(each["outcomes"].values())
        assert stats["sampled_out"] == stats["produced"] - len(each["kept"])
        assert stats["stored"] + stats["queued"] == len(each["kept"])
        assert stats["dropped"] == stats["uncounted"] == stats["repaired"] == {}
        assert stats["signals"]["produced"] == len(each["signalled"])
        assert stats["signals"]["dropped"] == stats["adopted"]["dropped"] == {}
        assert stats["adopted"]["found"] == stats["adopted"]["stored"] + stats["adopted"]["queued"]
    left = sum(each["stats"]["queued"] for each in books.values())
    inherited = [each["stats"]["adopted"] for each in books.values()]
    assert left == sum(adopted["stored"] for adopted in inherited)


def assert_samples_are_stored_once(connection: Connection, books: dict[str, Books]) -> None:
    c = tables.samples.c
    stored = connection.execute(select(c.release, c.prompt, c.sample_id)).all()
    for release, each in books.items():
        marks = [row.prompt.split()[0] for row in stored if row.release == release]
        assert sorted(marks) == sorted(each["kept"])
    assert len({row.sample_id for row in stored}) == len(stored) == total(books, "kept")


def assert_calls_are_counted_once(connection: Connection, books: dict[str, Books]) -> None:
    rows = connection.execute(select(tables.call_counts)).all()
    for release, each in books.items():
        of_release = [row for row in rows if row.release == release]
        outcomes: Counter[str] = Counter()
        latencies: Counter[int] = Counter()
        for row in of_release:
            outcomes[row.outcome] += row.calls
            latencies.update(dict(enumerate(row.latency_counts)))
        assert outcomes == each["outcomes"]
        assert +latencies == {BUCKET_OF_NAME[name]: n for name, n in each["latencies"].items()}
        assert sum(row.input_tokens for row in of_release) == each["tokens"]


def assert_signals_are_stored_once(connection: Connection, books: dict[str, Books]) -> None:
    stored = connection.scalars(select(tables.signals.c.sample_id)).all()
    assert sorted(map(str, stored)) == sorted(
        sample_id for each in books.values() for sample_id in each["signalled"]
    )


def assert_sessions_hold_each_call_once(connection: Connection, books: dict[str, Books]) -> None:
    sessions = connection.execute(select(tables.open_sessions)).all()
    assert {row.session_id: row.calls for row in sessions} == {
        session: calls for each in books.values() for session, calls in each["in_sessions"].items()
    }


def assert_samples_are_scored_once(connection: Connection, books: dict[str, Books]) -> None:
    scored = connection.scalars(select(tables.scores.c.sample_id)).all()
    assert sorted(scored) == sorted(connection.scalars(select(tables.samples.c.sample_id)))
    rows = connection.execute(select(tables.sli_minutes)).all()
    assert sum(row.failed_n for row in rows) == 0
    for release, each in books.items():
        of_release = [row for row in rows if row.release == release]
        assert sum(row.n for row in of_release) == len(each["kept"])
        assert sum(row.bad_n for row in of_release) == each["outcomes"].get("error", 0)


def assert_instances_add_up(connection: Connection, app: App, books: dict[str, Books]) -> None:
    now = utc_now()
    instances = list_instances(
        connection, app.id, since=now - timedelta(hours=1), silent_before=now, limit=100
    )
    assert sorted(each.instance.release for each in instances) == sorted(books)
    for each in instances:
        account, told = each.account, books[each.instance.release]
        assert account.produced == sum(told["outcomes"].values())
        assert account.stored == len(told["kept"])
        assert account.sampled_out == account.produced - account.stored
        assert (account.queued, account.dropped, account.uncounted) == (0, {}, {})
        assert find_fault(account) is None


def total(books: dict[str, Books], name: str) -> int:
    return sum(len(each[name]) for each in books.values())


def test_kills_of_api_worker_and_postgres_under_load_lose_nothing_and_repeat_nothing(
    tmp_path: Path,
) -> None:
    chance = random.Random(7)
    with mortal_service(WATCHKEEPER_SCORING_LEASE_S="1") as service:
        engine = service.engine
        app = declare_app(engine)
        for task in busy_app.TASKS:
            declare_task(engine, app, PRIME, name=task)
        key = create_api_key(engine, app.name, now=utc_now()).secret
        with busy_apps(service, key, tmp_path) as apps:
            strike(service, apps, chance)
            apps.finish()
        wait_for(
            lambda: count(service, tables.scoring_jobs) == 0,
            within_s=60,
            what="the end of the queue",
        )
        books = apps.books
        assert len(books) == len(RATES) + RESTARTS
        assert_clients_account_for_everything(books)
        with engine.connect() as connection:
            assert connection.scalar(text("SHOW fsync")) == "on"
            assert_samples_are_stored_once(connection, books)
            assert_calls_are_counted_once(connection, books)
            assert_signals_are_stored_once(connection, books)
            assert_sessions_hold_each_call_once(connection, books)
            assert_samples_are_scored_once(connection, books)
            assert_instances_add_up(connection, app, books)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
