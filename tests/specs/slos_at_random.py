"""Any SLO that a document can declare."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from service.domain.alert_windows import AlertTier, Catalogue, reachable, standard_catalogue
from service.domain.budget_windows import NOMINAL, Calendar
from service.domain.indicators import (
    OF_SCORES,
    OF_SLICES,
    Filters,
    Indicator,
    IndicatorKind,
    Member,
)
from service.domain.latency import EDGES_MS
from service.domain.signals import KNOWN_KINDS
from service.domain.slos import Budgeting, Consequence, Method, Slo

_MINUTE = timedelta(minutes=1)
_STORABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
texts = st.text(_STORABLE, min_size=1, max_size=40) | st.sampled_from(["${X}", "$${", "yes", "1"])
labels = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
_KINDS: list[IndicatorKind] = [
    *("availability", "latency", "quality", "mean"),
    *("signals", "cost", "freshness"),
]
_names = labels | st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)
_filters = st.builds(Filters, *[st.none() | st.text(_STORABLE, max_size=20) for _ in range(3)])
_ratios = st.floats(0, 1, exclude_min=True, exclude_max=True)
_ZONES = ("UTC", "Europe/Vienna", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")


@st.composite
def indicators(draw: st.DrawFn) -> Indicator:
    kind = draw(st.sampled_from(_KINDS))
    limits = {
        "latency": st.sampled_from(EDGES_MS).map(float),
        "cost": st.floats(0, 1e6, exclude_min=True),
    }
    some_signals = st.lists(st.sampled_from(sorted(KNOWN_KINDS)), min_size=1, unique=True)
    return Indicator(
        kind,
        draw(_names),
        draw(texts),
        draw(texts) if kind in OF_SCORES else None,
        draw(limits[kind]) if kind in limits else None,
        tuple(draw(some_signals)) if kind == "signals" else (),
        draw(_filters),
    )


@st.composite
def composites(draw: st.DrawFn) -> Indicator:
    named = st.lists(_names, min_size=1, max_size=4, unique=True)
    weights = st.floats(0, 1e9, exclude_min=True)
    members = tuple(Member(name, draw(weights)) for name in draw(named))
    return Indicator("composite", "", draw(texts), members=members)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    unit = draw(st.sampled_from(sorted(NOMINAL)))
    zone = draw(st.sampled_from(_ZONES))
    start = draw(st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1)))  # noqa: DTZ001
    since = start.replace(microsecond=0, tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    return Calendar(unit, draw(st.integers(1, 3653 // NOMINAL[unit].days)), zone, since)


@st.composite
def _tiers(draw: st.DrawFn, window: timedelta, objective: float) -> Catalogue:
    standard = standard_catalogue(window)
    if draw(st.booleans()) and all(reachable(tier, objective) for tier in standard):
        return standard
    tiers = {}
    for _ in range(draw(st.integers(1, 4))):
        long = draw(st.integers(2, window // _MINUTE)) * _MINUTE
        factor = draw(st.floats(0.9, 1.0) | st.floats(0.9, 1000.0))
        tier = AlertTier.of(draw(st.sampled_from(["page", "ticket"])), long, factor, window)
        if draw(st.booleans()):
            short = draw(st.integers(1, long // _MINUTE - 1)) * _MINUTE
            tier = AlertTier(tier.severity, long, short, factor, draw(_ratios))
        if reachable(tier, objective) and tier.short < tier.long:
            tiers[tier.key] = tier
    return tuple(tiers.values()) or (AlertTier.of("ticket", window, 0.95, window),)


@st.composite
def _budgetings(draw: st.DrawFn, kind: str, tiers: Catalogue) -> Budgeting:
    methods: list[Method] = ["timeslices"] if kind in OF_SLICES else ["occurrences"]
    if kind not in (*OF_SLICES, "composite"):
        methods += ["timeslices", "ratio_timeslices"]
    method = draw(st.sampled_from(methods))
    if method == "occurrences":
        return Budgeting()
    shortest = min(tier.short for tier in tiers)
    length = draw(st.integers(1, shortest // _MINUTE)) * _MINUTE
    target = draw(st.floats(0, 1, exclude_min=True)) if method == "timeslices" else None
    return Budgeting(method, length, target)


_consequences = st.builds(
    Consequence,
    st.floats(max_value=1, exclude_max=True, allow_infinity=False, allow_nan=False),
    st.sampled_from(["notify", "freeze"]),
)


@st.composite
def slos(draw: st.DrawFn, names: st.SearchStrategy[str] = _names) -> Slo:
    """An SLO that can exist."""
    indicator = draw(indicators() | composites())
    objective = draw(_ratios.filter(lambda ratio: 1 / (1 - ratio) > 0.96))
    calendar = draw(st.none() | calendars())
    window = calendar.nominal if calendar else draw(st.integers(1440, 400 * 1440)) * _MINUTE
    tiers = draw(_tiers(window, objective))
    return Slo(
        draw(names),
        draw(names),
        indicator,
        objective,
        window,
        tiers,
        calendar,
        draw(_budgetings(indicator.kind, tiers)),
        tuple(draw(st.lists(_consequences, max_size=3))),
    )
