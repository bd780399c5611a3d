"""What a hook costs the app: Watchkeeper's, the floor below it, OpenTelemetry's and Langfuse's.

    python -m benchmarks.sdk_overhead

A 320-character prompt and a 1,100-character answer per call, sent to a local server in a process
of its own. At full speed: calls in a row, as many as the queue takes. Paced: a call of some kind
every 5 ms, of Watchkeeper and the floors in random turns, so that all meet equally cold caches.
The floor is a client whose `record()` has the same arguments and only reads the clock and appends
a tuple of the same shape; `inline_floor` does so on the spot, without being called. Every
figure is the median of several rounds (paced: of their medians), with their spread in brackets, in
microseconds; CPU is that of all threads until everything has been exported.
"""

import gc
import json
import random
import statistics
import time
from itertools import cycle, islice

from benchmarks import sdk_peers
from benchmarks.receiving_server import arrived_at, receiving_server
from benchmarks.sdk_peers import Subject

ROUNDS = 11
PACED_ROUNDS = 8
PACED_CALLS = 60  # of each kind in a round
TICK_S = 0.005
OVERFLOW = 100_000

Figures = dict[str, float]


def measure() -> tuple[Figures, list[str]]:
    """The figures, and the lines to be read."""
    texts = sdk_peers.texts()
    with receiving_server() as url:
        ours, wk = sdk_peers.watchkeeper(url)
        floors = [sdk_peers.called_floor(), sdk_peers.inline_floor()]
        peers, missing = _peers(url)
        figures: Figures = {}
        lines = [f"{'':13}{'us':>8}{'p99':>8}{'cpu':>7}{'paced':>8}{'p99':>8}  exported"]
        rows = {s.name: _full_speed(s, texts, figures) for s in (*floors, ours, *peers)}
        for row, text in (*_paced([*floors, ours], texts, figures), *_paced(peers, texts, figures)):
            rows[row] += text
        ours.flush()
        made = wk.stats().produced
        figures["overflow_us"], note = _overflow(url, texts)
        for subject in (ours, *peers):
            subject.close()
        exported = arrived_at(url)
        figures["cpu_us"] = figures.pop("watchkeeper_cpu_us")
        stats = wk.stats()
        figures["dropped"] = sum(stats.dropped.values())
        assert stats.stored + figures["dropped"] == made == stats.counted, stats
        rows["watchkeeper"] += f"  {stats.stored} of {made}, dropped {dict(stats.dropped)}"
        for peer in peers:
            handed_over = peer.burst * (1 + 2 * ROUNDS) + PACED_ROUNDS * PACED_CALLS
            rows[peer.name] += f"  {exported[peer.name]} of {handed_over}"
            figures[f"{peer.name}_dropped"] = handed_over - exported[peer.name]
    return figures, [*lines, *rows.values(), *missing, note, _ratios(figures)]


def _peers(url: str) -> tuple[list[Subject], list[str]]:
    found, missing = [], []
    for make in (sdk_peers.opentelemetry, sdk_peers.langfuse):
        try:
            found.append(make(url))
        except ImportError as error:
            missing.append(f"{make.__name__}: not installed ({error.name})")
    return found, missing


def _full_speed(subject: Subject, texts: list[tuple[str, str]], figures: Figures) -> str:
    record, calls = subject.record, list(islice(cycle(texts), subject.burst))
    for prompt, answer in calls:  # once for the interpreter to specialise, and to connect
        record(prompt, answer)
    subject.flush()
    took, cpu, p99 = [], [], []
    for _ in range(ROUNDS):
        gc.collect()
        cpu_began, began = time.process_time(), time.perf_counter()
        for prompt, answer in calls:
            record(prompt, answer)
        took.append((time.perf_counter() - began) / len(calls) * 1e6)
        subject.flush()
        cpu.append((time.process_time() - cpu_began) / len(calls) * 1e6)
        p99.append(_ninety_ninth(_each(subject, calls)))
        subject.flush()
    figures[f"{subject.name}_us"] = round(statistics.median(took), 3)
    figures[f"{subject.name}_p99_us"] = round(statistics.median(p99), 2)
    if "floor" not in subject.name:
        figures[f"{subject.name}_cpu_us"] = round(statistics.median(cpu), 2)
    spread = f"{min(took):.3g}..{max(took):.3g}"
    return (
        f"{subject.name:13}{statistics.median(took):8.3f}{statistics.median(p99):8.2f}"
        f"{statistics.median(cpu):7.1f} ({spread})"
    )


def _each(subject: Subject, calls: list[tuple[str, str]]) -> list[float]:
    """Microseconds of every call by itself."""
    times = []
    for prompt, answer in calls:
        began = time.perf_counter_ns()
        subject.record(prompt, answer)
        times.append((time.perf_counter_ns() - began) / 1e3)
    return times


def _paced(
    subjects: list[Subject], texts: list[tuple[str, str]], figures: Figures
) -> list[tuple[str, str]]:
    chance = random.Random(11)
    supply = cycle(texts)
    medians: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    every: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for _ in range(PACED_ROUNDS):
        turns = subjects * PACED_CALLS
        chance.shuffle(turns)
        times: dict[str, list[float]] = {subject.name: [] for subject in subjects}
        for subject in turns:
            time.sleep(TICK_S)
            times[subject.name] += _each(subject, [next(supply)])
        for name, seen in times.items():
            medians[name].append(statistics.median(seen))
            every[name] += seen
    rows = []
    for name, rounds in medians.items():
        figures[f"{name}_paced_us"] = round(statistics.median(rounds), 2)
        figures[f"{name}_paced_p99_us"] = round(_ninety_ninth(every[name]), 2)
        spread = f"{min(rounds):.3g}..{max(rounds):.3g}"
        rows.append(
            (name, f"{statistics.median(rounds):8.2f}{_ninety_ninth(every[name]):8.1f} ({spread})")
        )
    return rows


def _overflow(url: str, texts: list[tuple[str, str]]) -> tuple[float, str]:
    """Far more calls in a row than the queue takes: each is counted all the same."""
    ours, wk = sdk_peers.watchkeeper(url)
    before = arrived_at(url)
    calls = list(islice(cycle(texts), OVERFLOW))
    began = time.perf_counter()
    for prompt, answer in calls:
        ours.record(prompt, answer)
    took_us = (time.perf_counter() - began) / OVERFLOW * 1e6
    ours.flush()
    after, stats = arrived_at(url), wk.stats()
    ours.close()
    counted = after["calls"] - before["calls"]
    assert counted == stats.counted == stats.produced == OVERFLOW, (counted, stats)
    assert after["samples"] - before["samples"] == stats.stored
    return round(took_us, 3), (
        f"overflow: {took_us:.2f} us a call over {OVERFLOW}; counted {counted}, "
        f"kept {stats.stored}, dropped {dict(stats.dropped)}"
    )


def _ratios(figures: Figures) -> str:
    parts = [
        f"{kind.strip('_') or 'full speed'}: {figures[f'watchkeeper{kind}_us'] / base:.2f} floors"
        for kind in ("", "_paced")
        if (base := figures[f"floor{kind}_us"])
    ]
    for name in ("otel", "langfuse"):
        for kind in ("", "_paced"):
            if f"{name}{kind}_us" in figures:
                times = figures[f"{name}{kind}_us"] / figures[f"watchkeeper{kind}_us"]
                parts.append(f"{name}{kind} {times:.0f} times as much")
    return "; ".join(parts)


def _ninety_ninth(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


if __name__ == "__main__":
    measured, readable = measure()
    print("\n".join(readable))
    print(json.dumps(measured))
