import gzip
import json
import stat
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from service.cli import app as command_line
from service.cli import export_formats
from service.cli.export import UnusableRangeError
from service.cli.export_formats import MissingPyarrowError
from service.cli.export_target import UnwritableOutputError
from service.domain.scores import NewScore, SliSlice
from service.flows.create_api_key import create_api_key
from service.settings import Settings
from service.store import exported_samples
from service.store.apps import App
from service.store.scores import insert_scores
from service.wiring import build_api
from tests.declared import NOW, a_sample, declare_app, post
from tests.serving import serving

MINUTE = timedelta(minutes=1)


@pytest.fixture
def app(engine: Engine) -> App:
    return declare_app(engine)


@pytest.fixture
def runner(database_url: str) -> CliRunner:
    return CliRunner(env={"WATCHKEEPER_DATABASE_URL": database_url})


def exported(runner: CliRunner, output: Path | str, *options: str) -> Result:
    arguments = ["export", "--app", "support", "--output", str(output), *options]
    result = runner.invoke(command_line, arguments)
    assert result.exit_code == 0, result.output
    return result


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.split("\n") if line]


def posted_over_http(engine: Engine) -> list[dict[str, Any]]:
    """Samples as an app sent them, the oldest first."""
    told = [
        {
            "sample_id": str(uuid4()),
            "called_at": (NOW - n * MINUTE).isoformat().replace("+00:00", "Z"),
            "environment": "production",
            "task": "answer",
            "release": "1.2",
            "model": "gpt-4",
            "prompt_version": "",
            "outcome": "ok",
            "error_type": None,
            "prompt": f"Is {n} prime?\n\u2028\x01😀",
            "response": None if n % 3 else "[Yes]",
            "reference": None,
            "latency_ms": 1.5 * n,
            "input_tokens": 10**12 - n,
            "output_tokens": None,
            "cost_usd": 0.1,
            "finish_reason": "stop",
            "session_id": None,
            "user_id": f"u{n % 2}",
            "keep_probability": 0.25,
            "attributes": {"n": n, "cached": True, "where": 'é"'},
        }
        for n in range(25, 0, -1)
    ]
    key = create_api_key(engine, "support", now=NOW)
    batch = {"batch_id": str(uuid4()), "samples": told, "call_counts": []}
    with serving(build_api(engine, Settings(), clock=lambda: NOW)) as url:
        headers = {"Authorization": f"Bearer {key.secret}"}
        answer = httpx.post(f"{url}/v1/samples", json=batch, headers=headers)
    assert answer.json()["accepted"] == len(told)
    return told


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pages and row groups out of few samples."""
    monkeypatch.setattr(exported_samples, "PAGE_BYTES", 300)
    monkeypatch.setattr(export_formats, "GROUP_ROWS", 10)


@pytest.mark.usefixtures("small_pages")
def test_json_lines_hold_what_was_posted_in_the_order_of_calls(
    runner: CliRunner, engine: Engine, app: App, tmp_path: Path
) -> None:
    told = posted_over_http(engine)
    result = exported(runner, tmp_path / "samples.jsonl")
    read = lines_of((tmp_path / "samples.jsonl").read_text())
    assert read == [sample | {"received_at": "2026-11-25T12:00:00Z"} for sample in told]
    assert "Exported 25 samples" in result.stderr
    assert result.stdout == ""


@pytest.mark.usefixtures("small_pages")
def test_parquet_holds_what_was_posted_with_types(
    runner: CliRunner, engine: Engine, app: App, tmp_path: Path
) -> None:
    told = posted_over_http(engine)
    exported(runner, tmp_path / "samples.parquet")
    file = pq.ParquetFile(tmp_path / "samples.parquet")
    rows = file.read().to_pylist()
    assert [row | {"attributes": json.loads(row["attributes"])} for row in rows] == [
        sample | {"called_at": datetime.fromisoformat(sample["called_at"]), "received_at": NOW}
        for sample in told
    ]
    assert str(file.schema_arrow.field("called_at").type) == "timestamp[us, tz=UTC]"
    assert str(file.schema_arrow.field("input_tokens").type) == "int64"
    groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [10, 10, 5]
    file.close()


@pytest.fixture
def a_scored_one(engine: Engine, app: App) -> None:
    """Two samples; the older one has a score."""
    scored = a_sample(called_at=NOW - MINUTE)
    post(engine, app, [scored, a_sample()])
    where = SliSlice(NOW, "production", "answer", "", "gpt-4", "", "correct", "3")
    score = NewScore(scored.sample_id, scored.called_at, where, 0.5, None, "so", "why", 4.0)
    with engine.begin() as connection:
        insert_scores(connection, app.id, [score], now=NOW)


@pytest.mark.usefixtures("a_scored_one")
def test_scores_are_in_both_formats_alike(runner: CliRunner, tmp_path: Path) -> None:
    exported(runner, tmp_path / "samples.parquet", "--scores")
    rows = pq.read_table(tmp_path / "samples.parquet").to_pylist()
    score = {
        "evaluator": "correct",
        "evaluator_version": "3",
        "value": 0.5,
        "passed": None,
        "label": "so",
        "explanation": "why",
        "weight": 4.0,
    }
    assert [row["scores"] for row in rows] == [[score | {"scored_at": NOW}], []]
    lines = lines_of(exported(runner, "-", "--scores").stdout)
    at = "2026-11-25T12:00:00Z"
    assert [line["scores"] for line in lines] == [[score | {"scored_at": at}], []]


def test_filters_and_times_choose(runner: CliRunner, engine: Engine, app: App) -> None:
    now = datetime.now(UTC)
    old, wanted, other = (
        a_sample(called_at=now - timedelta(days=days), user_id=user)
        for days, user in ((9, "ann"), (2, "ann"), (2, "bob"))
    )
    post(engine, app, [old, wanted, other], now=now)
    options = ("--since", "-3d", "--until", "now", "--user-id", "ann", "--outcome", "ok")
    (line,) = lines_of(exported(runner, "-", *options).stdout)
    assert line["sample_id"] == str(wanted.sample_id)
    (line,) = lines_of(exported(runner, "-", "--sample-id", str(old.sample_id)).stdout)
    assert line["sample_id"] == str(old.sample_id)
    assert exported(runner, "-", "--task", "other").stdout == ""


def test_an_empty_export_is_a_valid_file(runner: CliRunner, app: App, tmp_path: Path) -> None:
    for name in ("none.jsonl.gz", "none.parquet"):
        exported(runner, tmp_path / name)
    assert gzip.decompress((tmp_path / "none.jsonl.gz").read_bytes()) == b""
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0


def test_a_name_that_ends_in_gz_is_compressed(
    runner: CliRunner, engine: Engine, app: App, tmp_path: Path
) -> None:
    post(engine, app, [a_sample() for _ in range(3)])
    exported(runner, tmp_path / "samples.jsonl.gz")
    text = gzip.decompress((tmp_path / "samples.jsonl.gz").read_bytes()).decode()
    assert len(lines_of(text)) == 3


def test_only_its_owner_can_read_the_file(runner: CliRunner, app: App, tmp_path: Path) -> None:
    exported(runner, tmp_path / "samples.jsonl")
    assert stat.S_IMODE((tmp_path / "samples.jsonl").stat().st_mode) == 0o600


def test_an_export_that_fails_leaves_the_old_file_and_nothing_else(
    runner: CliRunner, engine: Engine, app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(engine, app, [a_sample() for _ in range(3)])
    target = tmp_path / "samples.parquet"
    target.write_text("the old one")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_formats.Parquet, "write", fail)
    arguments = ["export", "--app", "support", "--output", str(target)]
    result = runner.invoke(command_line, arguments)
    assert isinstance(result.exception, UnwritableOutputError)
    assert "No space left on device" in str(result.exception)
    assert target.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_is_followed_and_a_device_is_not_replaced(
    runner: CliRunner, engine: Engine, app: App, tmp_path: Path
) -> None:
    post(engine, app, [a_sample()])
    (tmp_path / "link").symlink_to(tmp_path / "target.jsonl")
    exported(runner, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert len(lines_of((tmp_path / "target.jsonl").read_text())) == 1
    exported(runner, "/dev/null")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        (["--output", "no/such/folder/x"], UnwritableOutputError, "No such file or directory"),
        (["--output", "-", "--since", "now", "--until", "-1d"], UnusableRangeError, "--since"),
    ],
)
def test_what_cannot_be_done_is_said(
    runner: CliRunner, app: App, options: list[str], error: type[Exception], reason: str
) -> None:
    result = runner.invoke(command_line, ["export", "--app", "support", *options])
    assert isinstance(result.exception, error)
    assert reason in str(result.exception)


def test_without_pyarrow_the_command_to_install_it_is_named(
    runner: CliRunner, app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    arguments = ["export", "--app", "support", "--output", str(tmp_path / "x.parquet")]
    result = runner.invoke(command_line, arguments)
    assert isinstance(result.exception, MissingPyarrowError)
    assert "pip install 'watchkeeper[parquet]'" in str(result.exception)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("name", ["samples.jsonl", "samples.parquet"])
def test_memory_does_not_grow_with_the_export(
    runner: CliRunner,
    engine: Engine,
    app: App,
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exported_samples, "PAGE_BYTES", 500_000)
    monkeypatch.setattr(export_formats, "GROUP_CHARACTERS", 1_000_000)
    post(engine, app, [a_sample(called_at=NOW - n * MINUTE) for n in range(1_000)])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE samples SET response = repeat('it is ', 5000)")
    exported(runner, tmp_path / name, "--task", "none")  # what is imported stays
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    exported(runner, tmp_path / name)
    _, peak = tracemalloc.get_traced_memory()
    if name.endswith("jsonl"):
        assert (tmp_path / name).stat().st_size > 30_000_000
    assert peak - before < 4_000_000
