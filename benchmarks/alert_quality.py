"""How well SLO alerts page: false pages, recall, detection, budget spent, reset, by simulation.

    python -m benchmarks.alert_quality [--cells]

Every objective, traffic, sampling, pattern and scenario of the grid is simulated minute by minute,
seeded, and judged by the product's rule (`replay_tier`, which tests hold to `judge_tier`) beside
the Workbook's raw rule, a minimum-event gate, a Wilson bound, always and never. Detection counts
from the start of the incident to the page, a repetition without a page as never; false pages are
those that open in 30 days in which the mean burn is at most 1. Silence is no incident to page for:
there, a page is false. `--cells` prints every cell. The two cells with a bound have more
repetitions; the last line is their JSON object.
"""

import json
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import product as every

import numpy as np

from benchmarks import alert_tables
from benchmarks.alert_outcomes import Outcome, run_cell
from benchmarks.alert_streams import NULLS, SCENARIOS, STEP, Cell, Pattern

SEED = 20_261_123
OBJECTIVES = (0.80, 0.90, 0.95, 0.99, 0.999)
CALLS_PER_HOUR = (6, 60, 600, 6000)
SAMPLING = (0.01, 0.1, 1.0)
PATTERNS: tuple[Pattern, ...] = ("iid", "bursty", "diurnal")
GRID = tuple(
    Cell(objective, calls, kept, pattern, scenario)
    for objective, calls, kept, pattern, scenario in every(
        OBJECTIVES, CALLS_PER_HOUR, SAMPLING, PATTERNS, SCENARIOS
    )
)
NULL_REPETITIONS, REPETITIONS = 4, 24
BOUNDED_MONTHS, BOUNDED_INCIDENTS = 400, 2000
THIN, DENSE = 10, 600


def bounded_cells(calls_per_hour: float) -> tuple[Cell, Cell]:
    """At an objective of 0.99: burn 1, and a step to 30 % errors."""
    null, step = (Cell(0.99, calls_per_hour, 1.0, "iid", s) for s in (NULLS[1], STEP))
    return null, step


def measure(
    months: int = BOUNDED_MONTHS, incidents: int = BOUNDED_INCIDENTS, seed: int = SEED
) -> tuple[dict[str, float | None], list[Outcome]]:
    """The figures with a bound, and what they come from."""
    outcomes = []
    for calls_per_hour in (THIN, DENSE):
        null, step = bounded_cells(calls_per_hour)
        outcomes += [run_cell(null, months, seed), run_cell(step, incidents, seed)]
    thin_null, thin_step, _, dense_step = outcomes
    ours, dense = thin_step.by_rule["watchkeeper"], dense_step.by_rule["watchkeeper"]
    figures = {
        "false_pages_30d": thin_null.by_rule["watchkeeper"].pages,
        "recall": ours.recall,
        "detection_vs_wilson": ours.median_m / thin_step.by_rule["wilson"].median_m,
        "detection_vs_raw": dense.median_m / dense_step.by_rule["raw"].median_m,
    }
    return {name: _rounded(value) for name, value in figures.items()}, outcomes


def _rounded(value: float) -> float | None:
    """JSON knows no infinity."""
    return round(value, 4) if np.isfinite(value) else None


def run_grid(cells: Iterable[Cell] = GRID) -> list[Outcome]:
    """Every cell, on all cores."""
    with ProcessPoolExecutor() as pool:
        return list(pool.map(_run_grid_cell, cells, chunksize=16))


def _run_grid_cell(cell: Cell) -> Outcome:
    return run_cell(cell, REPETITIONS if cell.scenario.lasts else NULL_REPETITIONS, SEED)


def main() -> None:
    """The tables, and the JSON object as the last line."""
    began = time.perf_counter()
    grid = run_grid()
    figures, bounded = measure()
    if "--cells" in sys.argv[1:]:
        print(*alert_tables.every_cell(grid), sep="\n", end="\n\n")
    print(*alert_tables.summary(grid), sep="\n", end="\n\n")
    print(*alert_tables.false_pages(grid), sep="\n", end="\n\n")
    print(*alert_tables.where_raw_is_faster(grid), sep="\n", end="\n\n")
    print(*alert_tables.bounded(bounded), sep="\n", end="\n\n")
    print(f"{len(grid)} cells in {time.perf_counter() - began:.0f} s, seed {SEED}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
