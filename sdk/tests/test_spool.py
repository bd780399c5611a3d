"""What outlives a process, what of it is lost, and what happens where the disk fails."""

import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from time import monotonic

import pytest

from watchkeeper import Watchkeeper
from watchkeeper.spool import spool_identity


def leave_behind(server, make, calls=5, **options):
    """What an app that ended during an outage leaves in the spool."""
    server.always = 503
    wk = make(**options)
    for number in range(calls):
        wk.record(task="old", prompt=str(number))
    result = wk.shutdown(0.3)
    assert not result.complete
    server.always = None
    return wk


def files_of(folder, ending):
    return sorted(folder.glob(f"*{ending}"))


def fill_spool(wk):
    """Until all that was recorded is on disk, while the server is away."""
    deadline = monotonic() + 20
    outbox = wk._pipeline._sender._outbox
    while sum(each.batch.samples for each in list(outbox._waiting.values())) < wk.stats().queued:
        assert monotonic() < deadline
        wk.flush(0.01)
    assert all(each.is_saved for each in list(outbox._waiting.values()))


@pytest.fixture
def make(client, tmp_path):
    return lambda **options: client(**{"spool": tmp_path / "spool", **options})


def test_what_an_outage_left_is_sent_by_the_next_process_under_the_same_id(
    server, make, balanced, tmp_path
):
    old = leave_behind(server, make)
    stats = balanced(old)
    assert (stats.queued, stats.dropped, stats.uncounted) == (5, {}, {})
    assert files_of(tmp_path / "spool", ".db")
    ids = {body["batch_id"] for _, _, body in server.requests if body["samples"]}
    wk = make()
    wk.record(task="new")
    assert wk.flush().complete
    server.wait_for(lambda: len(server.samples) == 6)
    assert ids <= set(server.batches)
    assert all(len(versions) == 1 for versions in server.versions.values())
    assert wk.shutdown().complete
    stats = balanced(wk)
    assert (stats.produced, stats.stored, stats.counted) == (1, 1, 1)
    assert (stats.adopted.found, stats.adopted.stored, stats.adopted.counted) == (5, 5, 5)
    assert stats.adopted.queued == 0
    assert server.counted == 6
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_ledger_of_the_old_instance_stays_in_its_batches(server, make):
    leave_behind(server, make)
    wk = make()
    wk.record(task="new")
    assert wk.flush().complete
    server.wait_for(lambda: len(server.samples) == 6)
    instances = {
        sample["task"]: batch["instance"]
        for batch in server.batches.values()
        for sample in batch["samples"]
    }
    assert instances["old"]["instance_id"] != instances["new"]["instance_id"]
    assert instances["old"]["ledger"]["produced"] == 5
    assert instances["new"]["ledger"]["produced"] == 1


def test_files_of_living_clients_and_of_other_apps_are_left_alone(server, make, balanced, tmp_path):
    leave_behind(server, make, app="other")
    server.always = 503
    living = make()
    living.record(task="living")
    fill_spool(living)
    server.always = None
    wk = make()
    wk.record(task="new")
    assert wk.flush().complete
    wk.shutdown()
    assert wk.stats().adopted.found == 0
    assert living.flush().complete
    assert {sample["task"] for sample in server.samples} == {"living", "new"}
    assert balanced(living).stored == 1
    assert len(files_of(tmp_path / "spool", ".db")) == 2


def test_many_clients_share_one_directory(server, make, balanced):
    leave_behind(server, make, calls=7)
    clients = [make() for _ in range(4)]
    for wk in clients:
        for _ in range(20):
            wk.record(task="t")
    assert all(wk.flush().complete for wk in clients)
    server.wait_for(lambda: len(server.samples) == 87)
    for wk in clients:
        assert wk.shutdown().complete
        assert balanced(wk).stored == 20
    assert sum(wk.stats().adopted.stored for wk in clients) == 7
    assert server.counted == 87


def test_adopted_batches_that_the_server_refuses_are_booked_apart(server, make, balanced):
    leave_behind(server, make)
    server.always = 422
    wk = make()
    wk.record(task="new")
    server.wait_for(lambda: any(b["samples"][:1] for _, _, b in server.requests))
    while not wk.stats().adopted.dropped or not wk.stats().dropped:
        wk.flush()
    stats = balanced(wk)
    assert stats.dropped == {"http_422": 1}
    assert stats.adopted.dropped == stats.adopted.uncounted == {"http_422": 5}


def test_an_outage_longer_than_the_queue_loses_nothing(server, make, balanced):
    server.always = 503
    wk = make(flush_at=10, max_queue=50)
    for number in range(500):
        wk.record(task="t", prompt=str(number))
        if number % 25 == 24:
            fill_spool(wk)
    assert balanced(wk).dropped == {}
    server.always = None
    assert wk.flush(30).complete
    assert [s["prompt"] for s in server.samples] == [str(n) for n in range(500)]
    assert server.counted == 500


def test_beyond_its_bound_the_oldest_samples_go_and_no_count(server, make, balanced):
    server.always = 503
    wk = make(flush_at=10, spool_max_bytes=8 * 8_192)
    for number in range(300):
        wk.record(task="t", prompt=os.urandom(400).hex(), sample_id=f"{number}")
        if number % 10 == 9:
            fill_spool(wk)
    server.always = None
    assert wk.flush(30).complete
    stats = balanced(wk)
    assert 0 < stats.dropped["spool_full"] < 300
    assert list(stats.dropped) == ["spool_full"]
    assert len(server.samples) == stats.stored
    assert server.counted == stats.counted == 300


def test_a_damaged_file_of_another_process_is_put_aside(server, make, tmp_path, caplog):
    leave_behind(server, make)
    [path] = files_of(tmp_path / "spool", ".db")
    path.write_bytes(b"no database" * 1_000)
    wk = make()
    wk.record(task="new")
    assert wk.flush().complete
    wk.shutdown()
    assert [p.name for p in (tmp_path / "spool").iterdir()] == [path.name + ".broken"]
    assert sum("cannot be read" in record.getMessage() for record in caplog.records) == 1


def test_what_it_may_not_open_or_did_not_make_is_no_hindrance(server, make, tmp_path, caplog):
    prefix = spool_identity(server.url, "support")
    (tmp_path / "spool" / f"{prefix}-0.lock").mkdir(parents=True)  # cannot be opened as a file
    with sqlite3.connect(tmp_path / "spool" / f"{prefix}-1.db") as connection:
        connection.execute("CREATE TABLE batches (something TEXT)")
    connection.close()
    leave_behind(server, make)
    wk = make()
    wk.record(task="new")
    assert wk.flush().complete
    server.wait_for(lambda: len(server.samples) == 6)
    wk.shutdown()
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == [
        f"{prefix}-0.lock",
        f"{prefix}-1.db.broken",
    ]
    assert not any("the spool fails" in record.getMessage() for record in caplog.records)


def test_damage_to_its_own_file_costs_only_what_was_on_disk_alone(
    server, make, balanced, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("watchkeeper.outbox.MEMORY_BYTES", 1)  # nothing saved stays in memory
    server.always = 503
    wk = make()
    for _ in range(3):
        wk.record(task="old")
    fill_spool(wk)
    pipeline = wk._pipeline
    pipeline.before_fork()  # disconnects
    [path] = files_of(tmp_path / "spool", ".db")
    path.write_bytes(b"no database" * 1_000)
    pipeline.after_fork()
    wk.record(task="new")
    wk.flush(0.1)
    server.always = None
    assert wk.flush().complete
    stats = balanced(wk)
    assert stats.dropped == stats.uncounted == {"spool_failed": 3}
    assert [sample["task"] for sample in server.samples] == ["new"]
    assert sum("the spool fails" in record.getMessage() for record in caplog.records) == 1


def test_a_directory_that_vanishes_leaves_the_memory(server, make, balanced, tmp_path, caplog):
    wk = make()
    shutil.rmtree(tmp_path / "spool")
    (tmp_path / "spool").write_text("in the way")
    for _ in range(3):
        wk.record(task="t")
        assert wk.flush().complete
    assert balanced(wk).stored == len(server.samples) == 3
    assert sum("the spool fails" in record.getMessage() for record in caplog.records) == 1


def test_a_full_disk_leaves_the_memory(server, tmp_path):
    script = """
    import resource, sys, os
    from watchkeeper import Watchkeeper
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    wk = Watchkeeper(sys.argv[1], "wk_x", app="a", spool=sys.argv[2], flush_at=10)
    for _ in range(1_000):
        wk.record(task="t", prompt=os.urandom(400).hex())
    while not wk._pipeline._spool._is_told:
        wk.flush(0.05)
    print("recorded", flush=True)
    sys.stdin.readline()
    assert wk.flush().complete
    stats = wk.stats()
    assert stats.produced == stats.stored == 1_000, stats
    """
    server.always = 503
    with start(script, server.url, tmp_path) as app:
        assert app.stdout.readline() == "recorded\n", app.stderr.read()
        server.always = None
        _, errors = app.communicate("\n", timeout=30)
    assert app.returncode == 0, errors
    assert len(server.samples) == server.counted == 1_000
    assert errors.count("the spool fails") == 1


def test_a_spool_that_cannot_be_made_is_seen_at_construction(tmp_path):
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", tmp_path / "file" / "below", "", 3, "a\0b"):
        with pytest.raises(ValueError, match="spool must be a directory"):
            Watchkeeper("http://127.0.0.1:9", "wk_x", app="a", spool=wrong)
    with pytest.raises(ValueError, match="spool_max_bytes"):
        Watchkeeper("http://127.0.0.1:9", "wk_x", app="a", spool=tmp_path, spool_max_bytes=0)


def test_a_disabled_client_makes_no_directory(tmp_path):
    with Watchkeeper("", "", app="a", enabled=False, spool=tmp_path / "spool") as wk:
        wk.record(task="t")
        assert wk.flush().complete
    assert not (tmp_path / "spool").exists()


def test_only_the_owner_can_read_it(server, make, tmp_path):
    leave_behind(server, make)
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    for path in (tmp_path / "spool").iterdir():
        assert path.stat().st_mode & 0o077 == 0


def test_the_file_shrinks_when_it_is_empty_again(server, make, tmp_path):
    server.always = 503
    wk = make(flush_at=10)
    for _ in range(4_000):
        wk.record(task="t", prompt=os.urandom(400).hex())
    fill_spool(wk)
    [path] = files_of(tmp_path / "spool", ".db")
    server.always = None
    assert wk.flush(30).complete
    assert pages_of(wk, path) <= 256


def pages_of(wk, path):
    wk._pipeline.before_fork()
    connection = sqlite3.connect(path)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    wk._pipeline.after_fork()
    return pages


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_file_of_its_own(server, make, balanced, tmp_path):
    server.always = 503
    wk = make()
    wk.record(task="parent")
    fill_spool(wk)
    assert len(files_of(tmp_path / "spool", ".db")) == 1
    child = os.fork()
    if child == 0:
        two = False
        try:
            wk.record(task="child")
            fill_spool(wk)
            two = len(files_of(tmp_path / "spool", ".db")) == 2
        finally:
            os._exit(0 if two else 1)  # leaves its file behind
    assert os.waitpid(child, 0)[1] == 0
    server.always = None
    assert wk.flush().complete
    assert balanced(wk).stored == 1
    wk.shutdown()
    next_one = make()
    next_one.record(task="next")
    assert next_one.flush().complete
    server.wait_for(lambda: len(server.samples) == 3)
    assert sorted(s["task"] for s in server.samples) == ["child", "next", "parent"]
    assert server.counted == 3


def start(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_address_is_the_same_with_and_without_a_stroke_at_its_end():
    assert spool_identity("https://a/", "app") == spool_identity("https://a", "app")
    assert spool_identity("https://a", "app") != spool_identity("https://b", "app")


def test_a_wrong_key_costs_a_restart_with_the_right_one_nothing(server, make, balanced):
    server.always = 401
    first = make()
    for _ in range(3):
        first.record(task="t")
    assert not first.shutdown(0.3).complete
    assert balanced(first).queued == 3
    server.always = None
    second = make()
    second.record(task="t")
    assert second.flush().complete
    server.wait_for(lambda: server.counted == 4)
    assert balanced(second).stored == 1
    assert len(server.samples) == 4
