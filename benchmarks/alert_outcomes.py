"""What a rule made of a cell: pages counted, delays measured."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from benchmarks.alert_rules import RULES, Seen, page, see, warm_up
from benchmarks.alert_streams import MONTH, Cell, Stream, draw
from service.domain.alert_replay import Flags, openings
from service.domain.alert_windows import AlertTier, Catalogue, propose_catalogue

WINDOW = timedelta(days=30)
# Minutes judged at once, to stay within the cache and the memory of a small machine.
_AT_ONCE = 400_000


@dataclass(frozen=True, slots=True)
class Performance:
    """One rule in one cell. Minutes; medians over all repetitions, an unnoticed one is infinite.

    pages:     opened in 30 days of nothing to notice (or of silence), else by one incident.
    spent:     median share of the 30-day budget that the incident had spent when it paged.
    """

    pages: float
    recall: float
    median_m: float
    p95_m: float
    spent: float
    reset_m: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A cell and what each rule made of it; `unknown` is the share of minutes without an answer."""

    cell: Cell
    by_rule: dict[str, Performance]
    unknown: float


@dataclass(frozen=True, slots=True)
class _Measured:
    """By repetition; minutes are NaN or infinite where there is nothing to measure."""

    pages: NDArray[np.float64]
    delay_m: NDArray[np.float64]
    spent: NDArray[np.float64]
    reset_m: NDArray[np.float64]


def page_tiers(objective: float) -> Catalogue:
    """The tiers that page, of the catalogue that is proposed for 30 days."""
    return tuple(t for t in propose_catalogue(objective, WINDOW) if t.severity == "page")


def run_cell(cell: Cell, repetitions: int, seed: int) -> Outcome:
    """Every rule on the same streams."""
    tiers = page_tiers(cell.objective)
    begin = warm_up(tiers)
    at_once = max(1, _AT_ONCE // (begin + cell.scenario.judged))
    measured: dict[str, list[_Measured]] = {name: [] for name in RULES}
    unknown = []
    for batch, first in enumerate(range(0, repetitions, at_once)):
        stream = draw(cell, min(at_once, repetitions - first), begin, seed + batch)
        seen = see(stream, tiers)
        unknown.append(_share_unseen(seen, tiers[0], stream))
        for name, rule in RULES.items():
            paging = page(rule, tiers, cell.objective, seen)
            measured[name].append(_measure(stream, paging, is_one_alert=name != "always"))
    by_rule = {name: _summarise(cell, batches) for name, batches in measured.items()}
    return Outcome(cell, by_rule, float(np.mean(unknown)))


def _share_unseen(seen: Seen, tier: AlertTier, stream: Stream) -> float:
    unseen = seen.unseen[tier.long] | seen.unseen[tier.short]
    return float(unseen[:, stream.starts_at : stream.ends_at].mean())


def _measure(stream: Stream, paging: Flags, *, is_one_alert: bool) -> _Measured:
    opened = openings(paging) if is_one_alert else paging
    during = slice(stream.starts_at, stream.ends_at)
    is_paging = paging[:, during]
    paged = is_paging.any(axis=1)
    delay = np.where(paged, is_paging.argmax(axis=1) + 1.0, np.inf)
    at = np.where(paged, stream.starts_at + is_paging.argmax(axis=1) + 1, stream.ends_at)
    before = stream.spent[:, stream.starts_at]
    spent = np.take_along_axis(stream.spent, at[:, None], axis=1)[:, 0] - before
    return _Measured(
        pages=opened[:, stream.starts_at :].sum(axis=1).astype(float),
        delay_m=delay,
        spent=np.where(paged, spent, np.nan),
        reset_m=_reset(paging, stream),
    )


def _reset(paging: Flags, stream: Stream) -> NDArray[np.float64]:
    """Minutes from the end of the incident until no page is open; NaN where none was."""
    after = paging[:, stream.ends_at :]
    if not after.shape[1]:
        return np.full(paging.shape[0], np.nan)
    still = paging[:, stream.ends_at - 1]
    cleared = np.where(after.all(axis=1), np.inf, (~after).argmax(axis=1) + 1.0)
    return np.where(still, cleared, np.nan)


def _summarise(cell: Cell, batches: list[_Measured]) -> Performance:
    def joined(name: str) -> NDArray[np.float64]:
        return np.concatenate([getattr(batch, name) for batch in batches])

    delay = joined("delay_m")
    units = 1.0 if cell.scenario.has_incident else cell.scenario.judged / MONTH
    return Performance(
        pages=float(joined("pages").mean()) / units,
        recall=float(np.isfinite(delay).mean()),
        median_m=float(np.quantile(delay, 0.5, method="higher")),
        p95_m=float(np.quantile(delay, 0.95, method="higher")),
        spent=_median(joined("spent")),
        reset_m=_median(joined("reset_m")),
    )


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.quantile(known, 0.5, method="higher")) if known.size else float("nan")
