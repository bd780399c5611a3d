"""The tables of the alert benchmark, as lines of text."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from benchmarks.alert_outcomes import Outcome, Performance
from benchmarks.alert_rules import RULES

MOST_FALSE_PAGES = 0.1
_CALM = f"{'':13}{'pages/30 d':>11}"
_INCIDENT = f"{'':13}{'pages each':>11}{'recall':>8}{'median':>9}{'p95':>9}{'spent':>8}{'reset':>9}"


def minutes(value: float) -> str:
    """A duration in minutes; `-` where there is none to tell, `never` where it did not happen."""
    if np.isnan(value):
        return "-"
    return "never" if np.isinf(value) else f"{value:.0f} m"


def performance(name: str, told: Performance, *, has_incident: bool) -> str:
    """One rule in a line."""
    pages = f"{name:13}{told.pages:11.3f}"
    if not has_incident:
        return pages
    spent = "-" if np.isnan(told.spent) else f"{told.spent:.1%}"
    return (
        f"{pages}{told.recall:8.3f}{minutes(told.median_m):>9}{minutes(told.p95_m):>9}{spent:>8}"
        f"{minutes(told.reset_m):>9}"
    )


def bounded(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """The cells with a bound, in full."""
    for outcome in outcomes:
        yield from _cell(outcome)


def every_cell(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """The whole grid."""
    return bounded(outcomes)


def _cell(outcome: Outcome) -> Iterator[str]:
    cell = outcome.cell
    yield (
        f"{cell.scenario.name}: objective {cell.objective:g}, {cell.calls_per_hour:g} calls/h, "
        f"{cell.sampling:g} kept, {cell.pattern}; {outcome.unknown:.1%} of the time unknown"
    )
    yield _INCIDENT if cell.scenario.has_incident else _CALM
    for name, told in outcome.by_rule.items():
        yield performance(name, told, has_incident=cell.scenario.has_incident)


def summary(outcomes: list[Outcome]) -> Iterator[str]:
    """Each scenario and rule over all objectives, traffics, samplings and patterns."""
    yield "Mean over the grid (median and p95 detection: medians over the cells)"
    for scenario in dict.fromkeys(outcome.cell.scenario for outcome in outcomes):
        chosen = [outcome for outcome in outcomes if outcome.cell.scenario == scenario]
        unknown = np.mean([outcome.unknown for outcome in chosen])
        yield f"{scenario.name} ({len(chosen)} cells, {unknown:.0%} of the time unknown)"
        yield _INCIDENT if scenario.has_incident else _CALM
        for name in RULES:
            told = _pooled([outcome.by_rule[name] for outcome in chosen])
            yield performance(name, told, has_incident=scenario.has_incident)


def _pooled(told: list[Performance]) -> Performance:
    return Performance(
        pages=float(np.mean([one.pages for one in told])),
        recall=float(np.mean([one.recall for one in told])),
        median_m=_middle([one.median_m for one in told]),
        p95_m=_middle([one.p95_m for one in told]),
        spent=_middle([one.spent for one in told]),
        reset_m=_middle([one.reset_m for one in told]),
    )


def _middle(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.quantile(known, 0.5, method="higher")) if known else float("nan")


def false_pages(outcomes: list[Outcome]) -> Iterator[str]:
    """Where the product pages too often with nothing the matter, by objective and pattern."""
    calm = [o for o in outcomes if not o.cell.scenario.has_incident]
    yield f"False pages in 30 days, watchkeeper / raw (+: over {MOST_FALSE_PAGES} of ours)"
    patterns = list(dict.fromkeys(o.cell.pattern for o in calm))
    yield f"{'':22}" + "".join(f"{pattern:>22}" for pattern in patterns)
    for scenario in dict.fromkeys(o.cell.scenario for o in calm):
        for objective in dict.fromkeys(o.cell.objective for o in calm):
            row = f"{scenario.name:12}{objective:10g}"
            for pattern in patterns:
                chosen = [
                    o
                    for o in calm
                    if (o.cell.scenario, o.cell.objective, o.cell.pattern)
                    == (scenario, objective, pattern)
                ]
                ours, raw = (
                    np.mean([o.by_rule[name].pages for o in chosen])
                    for name in ("watchkeeper", "raw")
                )
                mark = "+" if ours > MOST_FALSE_PAGES else " "
                row += f"{f'{ours:.3f} / {raw:.2f}{mark}':>22}"
            yield row


def where_raw_is_faster(outcomes: list[Outcome]) -> Iterator[str]:
    """Median detection of a step as a multiple of the raw rule's, by kept calls per hour."""
    steps = [o for o in outcomes if o.cell.scenario.name == "step" and o.cell.pattern == "iid"]
    rates = sorted({_kept(o) for o in steps})
    yield "Detection of a step, watchkeeper / raw; and raw false pages in 30 days at burn 1 (iid)"
    yield "kept calls/h" + "".join(f"{rate:>14g}" for rate in rates)
    nulls = [o for o in outcomes if o.cell.scenario.name == "burn 1" and o.cell.pattern == "iid"]
    for objective in dict.fromkeys(o.cell.objective for o in steps):
        row = f"{objective:<12g}"
        for rate in rates:
            step = _mean_of(steps, objective, rate, _slowdown)
            pages = _mean_of(nulls, objective, rate, lambda o: o.by_rule["raw"].pages)
            row += f"{f'{_times(step)} ({pages:.1f})':>14}"
        yield row


def _kept(outcome: Outcome) -> float:
    return round(outcome.cell.calls_per_hour * outcome.cell.sampling, 6)


def _mean_of(
    outcomes: list[Outcome], objective: float, rate: float, value: Callable[[Outcome], float]
) -> float:
    chosen = [o for o in outcomes if (o.cell.objective, _kept(o)) == (objective, rate)]
    return float(np.mean([value(o) for o in chosen]))


def _slowdown(outcome: Outcome) -> float:
    ours, raw = (outcome.by_rule[name].median_m for name in ("watchkeeper", "raw"))
    return 1.0 if np.isinf(ours) and np.isinf(raw) else ours / raw


def _times(value: float) -> str:
    return "never" if np.isinf(value) else f"x{value:.2f}"
