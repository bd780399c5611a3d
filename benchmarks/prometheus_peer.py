"""What Prometheus takes to evaluate the rules that are equivalent to our SLOs.

    python -m benchmarks.prometheus_peer [SLOS]

A Prometheus of its own, with the counts of 30 days in its blocks. The windows up to three days are
read from counters, so these are there for a bit more than three days; the whole period is added up
from a recorded ratio, which is there for all of it. Everything has a sample each minute.

Needs `prometheus` and `promtool` (Debian: the package prometheus).
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.prometheus_rules import (
    BAD,
    PERIOD_DAYS,
    RECORDED,
    TOTAL,
    chosen,
    groups_of,
    identity,
)

SCRAPED_EVERY_S = 60
COUNTED_DAYS = 3.1  # the longest window that is read from counters, and a bit
EVALUATED_EVERY_S = 15
TURNS = 2  # of each group; the last one is measured, with its data read before
LIMIT_S = 120.0


def measure_prometheus(slos: int) -> float | None:
    """Seconds of one evaluation of all rules of so many SLOs; None where there is no Prometheus.

    The sum of what its groups took. It evaluates them spread over the interval, which is so long
    that they do not keep each other waiting: as one group, one rule after the other, they take as
    long.
    """
    missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    if missing:
        print(f"{' and '.join(missing)} not installed: Prometheus is not measured")
        return None
    home = Path(tempfile.mkdtemp(prefix="watchkeeper-benchmark-"))
    try:
        _fill(home, slos)
        with _prometheus_running(home) as port:
            return _wait_for_turns(port, groups=3 * slos)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _fill(home: Path, slos: int) -> None:
    rules = {"groups": [group for number in range(slos) for group in groups_of(number)]}
    (home / "rules.json").write_text(json.dumps(rules))
    interval = f"{EVALUATED_EVERY_S}s"
    configuration = {"global": {"evaluation_interval": interval}, "rule_files": ["rules.json"]}
    (home / "prometheus.json").write_text(json.dumps(configuration))
    history = home / "history.txt"
    with history.open("w", encoding="ascii") as file:
        for number in range(slos):
            file.writelines(_history(number, end=int(time.time())))
        file.write("# EOF\n")
    # In blocks of a week: promtool reads everything once for each block.
    convert = ("promtool", "tsdb", "create-blocks-from", "--quiet", "--max-block-duration=162h")
    subprocess.run([*convert, "openmetrics", str(history), str(home / "blocks")], check=True)
    history.unlink()


def _history(number: int, *, end: int) -> Iterator[str]:
    of_period = range(end - PERIOD_DAYS * 86_400, end, SCRAPED_EVERY_S)
    recorded = RECORDED + chosen(identity(number) | {"sloth_window": "5m"})
    yield "".join([f"{recorded} 0.00{at // 60 % 7} {at}\n" for at in of_period])
    counted = range(end - round(COUNTED_DAYS * 86_400), end, SCRAPED_EVERY_S)
    for name, step in ((TOTAL, 100), (BAD, 1)):
        series = f'{name}{{slo="{number}"}}'
        yield "".join([f"{series} {n * step} {at}\n" for n, at in enumerate(counted)])


@contextmanager
def _prometheus_running(home: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["prometheus", f"--config.file={home / 'prometheus.json'}", "--log.level=error"]
    command += [f"--storage.tsdb.path={home / 'blocks'}", "--storage.tsdb.retention.time=60d"]
    process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"])
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_for_turns(port: int, *, groups: int) -> float:
    deadline = time.monotonic() + LIMIT_S
    turns: dict[str, float] = {}
    while len(turns) < groups or min(turns.values()) < TURNS:
        assert time.monotonic() < deadline, "Prometheus does not evaluate its rules"
        time.sleep(0.5)
        turns = _read(port, "prometheus_rule_group_iterations")
    failures = _read(port, "prometheus_rule_evaluation_failures")
    assert not any(failures.values()), "some rules fail"
    results = httpx.get(
        f"http://127.0.0.1:{port}/api/v1/query",
        params={"query": "count(slo:period_error_budget_remaining:ratio > -1)"},
    ).json()["data"]["result"]
    assert int(results[0]["value"][1]) == groups // 3, "not every SLO has its budget"
    return sum(_read(port, "prometheus_rule_group_last_duration_seconds").values())


def _read(port: int, name: str) -> dict[str, float]:
    """A metric of Prometheus itself, by rule group."""
    try:
        exposed = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    except httpx.TransportError:  # it is not up yet
        return {}
    return {
        sample.labels["rule_group"]: sample.value
        for family in text_string_to_metric_families(exposed)
        if family.name == name
        for sample in family.samples
        if "rule_group" in sample.labels
    }


if __name__ == "__main__":
    seconds = measure_prometheus(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    print(json.dumps({"prometheus_s": None if seconds is None else round(seconds, 3)}))
