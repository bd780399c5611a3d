import csv
import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from service.cli import app as command_line
from service.domain.calls import NewSample
from tests.replay.stand_in import KEY, StandIn

SPAN = ("--from", "2026-11-01T00:00:00Z", "--to", "2026-11-02T00:00:00Z")
MAPS = ("--map", "prompt=query", "--map", "response=answer", "--map", "latency_s=latency")
STARTED_ALONE = "from service.cli import app; app()"


@pytest.fixture
def arguments(server: StandIn, tmp_path: Path) -> list[str]:
    """Everything but the file, its columns and its times."""
    where = ["--url", server.url, "--api-key", KEY, "--state-dir", str(tmp_path / "state")]
    return ["--app", "support", "--task", "answer", *where]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Twenty-five calls."""
    return a_log(tmp_path / "log.csv", 25)


def a_log(path: Path, rows: int) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["query", "answer", "latency", "model", "time"])
        for i in range(rows):
            time = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=i)
            writer.writerow([f"question {i}\nplease", f"answer {i}", "0.5", "m", time])
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(command_line, ["replay", *map(str, words)])


def figure(result: Result, label: str) -> int:
    """The number in front of a line of the table."""
    (line,) = [line for line in result.stdout.splitlines() if line.strip().endswith(label)]
    return int(line.split()[0].replace(",", ""))


def test_each_row_is_sent_and_counted_once(
    server: StandIn, arguments: list[str], log: Path
) -> None:
    result = run(log, *arguments, *MAPS, *SPAN, "--batch-size", 10)
    assert result.exit_code == 0, result.output
    server.expect_each_call_once(25)
    assert (figure(result, "calls sent"), figure(result, "  stored")) == (25, 25)
    assert [sample.prompt for sample in server.samples] == [
        f"question {i}\nplease" for i in range(25)
    ]
    first = server.samples[0]
    assert (first.latency_ms, first.task, first.keep_probability) == (500.0, "answer", 1.0)
    assert [len(batch.samples) for batch in server.stored.values()] == [10, 10, 5]


def test_rows_are_spread_evenly(server: StandIn, arguments: list[str], log: Path) -> None:
    assert run(log, *arguments, *MAPS, *SPAN).exit_code == 0
    times = [sample.called_at for sample in server.samples]
    assert times[0] == datetime(2026, 11, 1, tzinfo=UTC)
    assert {b - a for a, b in pairwise(times)} == {timedelta(days=1) / 25}


def test_a_terminal_gets_a_bar(server: StandIn, arguments: list[str], log: Path) -> None:
    command = ["replay", str(log), *arguments, *MAPS, *SPAN]
    terminal = os.environ | {"FORCE_COLOR": "1", "TERM": "xterm"}
    done = subprocess.run(
        [sys.executable, "-c", STARTED_ALONE, *command],
        env=terminal,
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert "25/25" in done.stderr
    server.expect_each_call_once(25)


@pytest.mark.parametrize("content", [None, "", "\n", "query,answer,latency\n"])
def test_a_log_without_rows_is_told(
    server: StandIn, arguments: list[str], tmp_path: Path, content: str | None
) -> None:
    log = tmp_path / "log.csv"
    if content is None:
        log.mkdir()
    else:
        log.write_text(content)
    result = run(log, *arguments, *MAPS, *SPAN)
    assert result.exit_code in (1, 2)
    assert "Error: " in result.stderr
    assert server.posts == []


def test_a_finished_replay_sends_nothing_unless_again(
    server: StandIn, arguments: list[str], log: Path
) -> None:
    whole = (log, *arguments, *MAPS, *SPAN)
    assert run(*whole).exit_code == 0
    second = run(*whole)
    assert second.exit_code == 0
    assert "was finished" in second.stdout
    assert len(server.posts) == 1
    third = run(*whole, "--again")
    assert (figure(third, "  stored"), figure(third, "already there")) == (0, 25)
    server.expect_each_call_once(25)


def test_a_lost_journal_loses_and_doubles_nothing(
    server: StandIn, arguments: list[str], log: Path, tmp_path: Path
) -> None:
    whole = (log, *arguments, *MAPS, *SPAN, "--batch-size", 4)
    assert run(*whole).exit_code == 0
    for journal in (tmp_path / "state").rglob("*.json"):
        journal.unlink()
    assert figure(run(*whole), "already there") == 25
    server.expect_each_call_once(25)


@pytest.mark.parametrize("trouble", ["drop", "store and drop"])
def test_a_broken_connection_is_survived(
    server: StandIn, arguments: list[str], log: Path, trouble: str
) -> None:
    server.answers.append(trouble)
    result = run(log, *arguments, *MAPS, *SPAN)
    assert result.exit_code == 0
    assert "trying again" in result.stderr
    server.expect_each_call_once(25)


def test_a_kill_in_the_middle_and_a_second_run_store_each_row_once(
    server: StandIn, arguments: list[str], log: Path
) -> None:
    """The third batch is stored, but the killed run never hears of it; times are relative."""
    whole = (log, *arguments, *MAPS, "--from", "-2d", "--to", "now")
    command = ["replay", *map(str, whole), "--batch-size", "4"]
    server.answers = ["store", "store", "store and hang"]
    killed = subprocess.Popen([sys.executable, "-c", STARTED_ALONE, *command])
    assert server.hanging.wait(60)
    killed.send_signal(signal.SIGKILL)
    killed.wait(60)
    assert len(server.samples) == 12
    # Another batch size is not taken over: the third batch would be cut in two.
    second = run(*whole, "--batch-size", 7)
    assert second.exit_code == 0, second.output
    assert "Continuing after 8 calls" in second.stderr
    assert "with its times, from" in second.stderr
    assert "--batch-size of 4" in second.stderr
    assert (figure(second, "  stored"), figure(second, "already there")) == (21, 4)
    server.expect_each_call_once(25)


def test_a_server_that_goes_away_is_named_and_the_next_run_continues(
    server: StandIn, arguments: list[str], log: Path
) -> None:
    def go_away_after_two_batches(sample: NewSample) -> None:
        if sample.prompt == "question 19\nplease":
            server.answers.append((503, {"Retry-After": "9999"}))

    whole = (log, *arguments, *MAPS, *SPAN, "--batch-size", 10)
    server.refuse = go_away_after_two_batches
    stopped = run(*whole)
    assert stopped.exit_code == 1
    assert "503" in stopped.stderr
    assert "The same command again continues" in stopped.stderr
    assert len(server.samples) == 20
    resumed = run(*whole)
    assert "Continuing after 20 calls" in resumed.stderr
    assert (figure(resumed, "calls sent"), figure(resumed, "  stored")) == (25, 25)
    assert len(server.posts) == 3
    server.expect_each_call_once(25)


def test_a_batch_refused_as_a_whole_may_be_cut_smaller_by_the_next_run(
    server: StandIn, arguments: list[str], log: Path
) -> None:
    whole = (log, *arguments, *MAPS, *SPAN)
    server.answers = [(413, {})]
    refused = run(*whole, "--batch-size", 20)
    assert refused.exit_code == 1
    assert "--batch-size" in refused.stderr
    assert run(*whole, "--batch-size", 5).exit_code == 0
    assert [len(batch.samples) for batch in server.stored.values()] == [5] * 5
    server.expect_each_call_once(25)


def test_every_skipped_and_rejected_row_has_its_reason(
    server: StandIn, arguments: list[str], tmp_path: Path
) -> None:
    rows: list[Any] = [
        {"response": {"text": "fine"}, "q": "a", "t": "2026-11-01T00:00:00Z", "m": "x", "s": 1},
        {"response": {"text": "late"}, "q": "b", "t": 1700000000, "m": "x"},
        {"q": "", "t": 1700000000, "m": "x"},
        {"t": 1700000000, "m": "x"},
        {"q": "nul \0", "t": 1700000000, "m": "x"},
        {"q": "c", "t": "soon", "m": "x"},
        {"q": "c", "t": 1700000000, "m": "x", "s": "slow"},
        {"q": "c", "t": 1700000000, "m": "y"},
        [],
    ]
    lines = [*map(json.dumps, rows), "{broken"]
    log = tmp_path / "log.jsonl.gz"
    log.write_bytes(gzip.compress("\n".join(lines).encode()))
    server.refuse = lambda s: "is 9 days ago" if s.called_at.year == 2023 else None
    maps = ("--map", "prompt=q", "--map", "response=response.text", "--map", "latency_s=s")
    result = run(log, *arguments, *maps, "--time-column", "t", "--where", "m=x")
    assert result.exit_code == 3, result.output
    assert figure(result, "rows read") == 10
    assert figure(result, "rows skipped") == 8
    for reason in (
        *("prompt: empty", "prompt: missing", "prompt: NUL character", "called_at: not a time"),
        *("latency_s: not a number", "filtered by --where", "not a JSON object", "broken JSON"),
    ):
        assert figure(result, reason) == 1
    assert figure(result, "calls sent") == 2
    assert figure(result, "  rejected by the server") == 1
    assert figure(result, "sample called_at: is 9 days ago") == 1
    assert [sample.response for sample in server.samples] == ["fine"]


def test_a_dry_run_sends_nothing_and_shows_what_it_would(
    server: StandIn, log: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    given = ("--app", "support", "--task", "answer", "--url", server.url, "--state-dir", state)
    result = run(log, *given, *MAPS, *SPAN, "--dry-run", "--limit", 7)
    assert result.exit_code == 0, result.output
    assert figure(result, "calls to send") == 7
    assert "question 0\\nplease" in result.stdout
    assert server.posts == []
    assert not state.exists()


def test_a_limit_is_on_calls_and_spreads_over_the_whole_span(
    server: StandIn, arguments: list[str], log: Path
) -> None:
    assert run(log, *arguments, *MAPS, *SPAN, "--limit", 4).exit_code == 0
    assert [sample.called_at.hour for sample in server.samples] == [0, 6, 12, 18]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((*SPAN, "--map", "prompt=qury"), "Did you mean 'query'"),
        ((*SPAN, "--map", "promt=query"), "Did you mean 'prompt'"),
        ((*SPAN, "--map", "prompt"), "FIELD=COLUMN"),
        ((*SPAN,), "--map"),
        ((*MAPS,), "--time-column"),
        ((*MAPS, "--from", "-2d"), "--from and --to together"),
        ((*MAPS, *SPAN, "--time-column", "time"), "--from and --to together"),
        ((*MAPS, *SPAN, "--time-format", "%Y"), "--time-column"),
        ((*MAPS, "--from", "now", "--to", "-2d"), "must be before"),
        ((*MAPS, "--from", "last week", "--to", "now"), "not a time"),
        ((*MAPS, *SPAN, "--where", "model=n"), "Values of that column are: 'm'"),
        ((*MAPS, *SPAN, "--where", "modl=m"), "Did you mean 'model'"),
        ((*MAPS, *SPAN, "--url", "localhost"), "--url"),
        ((*MAPS, *SPAN, "--api-key", ""), "WATCHKEEPER_API_KEY"),
        ((*MAPS, *SPAN, "--task", ""), "--task"),
        ((*MAPS, *SPAN, "--keep-probability", "2"), "--keep-probability"),
        ((*MAPS, *SPAN, "--batch-size", "0"), "--batch-size"),
        ((*MAPS, "--time-column", "answer"), "called_at: not a time"),
    ],
)
def test_wrong_usage_is_told_and_sends_nothing(
    server: StandIn, arguments: list[str], log: Path, words: tuple[str, ...], expected: str
) -> None:
    result = run(log, *arguments, *words)
    assert result.exit_code == 2, result.output
    assert expected in result.output
    assert server.posts == []


def test_a_refused_key_is_told_and_never_shown(
    server: StandIn, arguments: list[str], log: Path
) -> None:
    result = run(log, *arguments, *MAPS, *SPAN, "--api-key", "wk_wrong_secret")
    assert result.exit_code == 1
    assert "refused the API key" in result.output
    assert "wk_wrong_secret" not in result.output


def test_a_server_that_takes_nothing_fails_the_command(
    server: StandIn, arguments: list[str], log: Path
) -> None:
    server.refuse = lambda _: "is too old"
    result = run(log, *arguments, *MAPS, *SPAN)
    assert result.exit_code == 1
    assert figure(result, "sample called_at: is too old") == 25


def test_a_partly_rejected_replay_has_an_exit_code_of_its_own(
    server: StandIn, arguments: list[str], log: Path
) -> None:
    server.refuse = lambda sample: "is too old" if sample.called_at.hour < 12 else None
    whole = (log, *arguments, *MAPS, *SPAN)
    for told in ("calls sent", "was finished"):  # nor does asking once more make a success of it
        result = run(*whole)
        assert result.exit_code == 3
        assert "The server rejected 13 calls; the rest is stored." in result.stderr
        assert told in result.stdout
    assert len(server.posts) == 1
    assert len(server.samples) == 12


def test_rows_that_are_skipped_do_not_change_the_exit_code(
    server: StandIn, arguments: list[str], tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    log.write_text("query,answer,latency\n,yes,1\nwhy,because,1\n")
    result = run(log, *arguments, *MAPS, *SPAN)
    assert (result.exit_code, figure(result, "rows skipped")) == (0, 1)


def test_the_help_says_what_the_exit_codes_mean() -> None:
    told = " ".join(run("--help").stdout.split())
    assert "3 finished, but the server rejected some" in told


def test_a_log_that_changes_meanwhile_stops_the_replay(
    server: StandIn, arguments: list[str], log: Path
) -> None:
    def grow(_: object) -> None:
        with log.open("a", encoding="utf-8") as stream:
            stream.write("more,more,1,m,2026-11-01\n")

    server.refuse = grow
    result = run(log, *arguments, *MAPS, *SPAN, "--batch-size", 10)
    assert result.exit_code == 1
    assert "changed while" in result.stderr


def test_the_answers_of_one_model_are_replayed_from_the_real_log(
    server: StandIn, arguments: list[str], llmdrift: Path
) -> None:
    maps = [*("--map", "prompt=query", "--map", "response=answer", "--map", "model=model")]
    maps += [
        "--map",
        "latency_s=latency",
        "--map",
        "cost_usd=cost",
        "--map",
        "reference=ref_answer",
    ]
    maps += ["--map", "output_tokens=answer_token"]
    only = ("--where", "model=openaichat/gpt-4-0314", "--from", "-30d", "--to", "-2d")
    result = run(llmdrift / "PRIME_FULL_EVAL.csv", *arguments, *maps, *only)
    assert result.exit_code == 0, result.output
    server.expect_each_call_once(1000)
    assert (figure(result, "rows read"), figure(result, "filtered by --where")) == (4000, 3000)
    times = [sample.called_at for sample in server.samples]
    gaps = [later - sooner for sooner, later in pairwise(times)]
    even = timedelta(days=28) / 1000
    assert all(abs(gap - even) <= timedelta(microseconds=1) for gap in gaps)
    assert Counter(s.model for s in server.samples) == {"openaichat/gpt-4-0314": 1000}
    assert {s.reference for s in server.samples} == {"yes", "No"}


def test_the_time_column_of_the_real_log_is_read_by_its_format(
    server: StandIn, arguments: list[str], llmdrift: Path
) -> None:
    times = ("--time-column", "timestamp", "--time-format", "%m/%d/%Y, %H:%M:%S")
    result = run(llmdrift / "SENSITIVEQ_EVAL.csv", *arguments, "--map", "prompt=query", *times)
    assert result.exit_code == 0, result.output
    server.expect_each_call_once(400)
    assert {s.called_at for s in server.samples} == {datetime(2023, 7, 2, 21, 26, 27, tzinfo=UTC)}
