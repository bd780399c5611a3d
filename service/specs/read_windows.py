"""Time windows and time slices of OpenSLO: over what the budget runs, and what it is a share of."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from service.domain.alert_windows import spell_duration
from service.domain.budget_windows import (
    NOMINAL,
    Calendar,
    CalendarUnit,
    UnknownTimeZoneError,
    find_zone,
)
from service.domain.indicators import OF_SLICES, IndicatorKind
from service.domain.slos import SHORTEST_WINDOW, Budgeting, Method
from service.specs.documents import Document, Findings
from service.specs.durations import parse_duration, parse_period
from service.specs.openslo_shapes import CalendarBody, ObjectiveBody, SloBody, TimeWindow
from service.specs.problems import Path
from service.specs.references import Placed

DEFAULT_WINDOW = timedelta(days=28)
# Ten years: a time that far back still is one.
LONGEST_WINDOW = timedelta(days=3653)
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_WINDOW: Path = ("spec", "timeWindow", 0)
_METHODS: dict[str, Method] = {
    "Occurrences": "occurrences",
    "Timeslices": "timeslices",
    "RatioTimeslices": "ratio_timeslices",
}

Window = tuple[timedelta, Calendar | None]


def read_window(document: Document, body: SloBody, findings: Findings) -> Window | None:
    """How long the budget's window is, and the calendar that it follows, if it does."""
    if not body.time_window:
        told = f"assumed: {spell_duration(DEFAULT_WINDOW)}, rolling"
        findings.assume(document, ("spec", "timeWindow"), told)
        return DEFAULT_WINDOW, None
    shape = body.time_window[0]
    if shape.calendar is not None:
        if shape.is_rolling:
            told = "allowed: isRolling: false with a calendar; or drop the calendar"
            findings.refuse(document, (*_WINDOW, "isRolling"), told)
            return None
        return _read_calendar(document, shape, shape.calendar, findings)
    if shape.is_rolling is False:
        told = "this field is required where isRolling is false: startTime and timeZone"
        findings.refuse(document, (*_WINDOW, "calendar"), told)
        return None
    if shape.is_rolling is None:
        told = "assumed: true; there is no calendar"
        findings.assume(document, (*_WINDOW, "isRolling"), told)
    window = _read_rolling(document, shape.duration, findings)
    return None if window is None else (window, None)


def _read_rolling(document: Document, text: str, findings: Findings) -> timedelta | None:
    path = (*_WINDOW, "duration")
    try:
        window = parse_duration(text)
    except ValueError as error:
        try:
            unit, count = parse_period(text)
        except ValueError:
            findings.refuse(document, path, str(error))
            return None
        window = count * NOMINAL[unit]
        told = f"assumed: {spell_duration(window)}; what rolls has no first of the month"
        findings.assume(document, path, told)
    return window if _has_length(document, window, findings) else None


def _has_length(document: Document, window: timedelta, findings: Findings) -> bool:
    path = (*_WINDOW, "duration")
    found = f"found {spell_duration(window)}"
    if window < SHORTEST_WINDOW:
        told = f"the window is at least {spell_duration(SHORTEST_WINDOW)}: {found}"
        findings.refuse(document, path, told)
    elif window > LONGEST_WINDOW:
        findings.refuse(document, path, f"the window is at most ten years: {found}")
    return SHORTEST_WINDOW <= window <= LONGEST_WINDOW


def _read_calendar(
    document: Document, shape: TimeWindow, body: CalendarBody, findings: Findings
) -> Window | None:
    try:
        unit, count = parse_period(shape.duration)
    except ValueError as error:
        findings.refuse(document, (*_WINDOW, "duration"), str(error))
        return None
    path: Path = (*_WINDOW, "calendar")
    zone = _read_zone(document, (*path, "timeZone"), body.time_zone, findings)
    if zone is None:
        return None
    since = _read_start(document, (*path, "startTime"), body.start_time, zone, findings)
    if since is None or not _has_length(document, count * NOMINAL[unit], findings):
        return None
    _note_alignment(document, (*path, "startTime"), unit, since, findings)
    calendar = Calendar(unit, count, body.time_zone, since.astimezone(UTC))
    return calendar.nominal, calendar


def _read_zone(document: Document, path: Path, name: str, findings: Findings) -> ZoneInfo | None:
    try:
        return find_zone(name)
    except (UnknownTimeZoneError, OSError):  # OSError: the name of a folder of them
        told = "allowed: a name of the IANA time zone database, like UTC or Europe/Vienna"
        findings.refuse(document, path, told)
        return None


def _read_start(
    document: Document, path: Path, value: object, zone: ZoneInfo, findings: Findings
) -> datetime | None:
    try:
        start = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        start = None
    if isinstance(start, date) and not isinstance(start, datetime):
        start = datetime.combine(start, time())
    if not isinstance(start, datetime) or not _FIRST_YEAR <= start.year <= _LAST_YEAR:
        told = f"allowed: a date and time of {_FIRST_YEAR} to {_LAST_YEAR}, like"
        findings.refuse(document, path, f"{told} 2026-01-01 00:00:00")
        return None
    if start.tzinfo is not None:
        told = "assumed: this instant; OpenSLO has a time without a zone here, and timeZone"
        findings.assume(document, path, told)
        return start.astimezone(zone)
    return start.replace(microsecond=0, tzinfo=zone)


def _note_alignment(
    document: Document, path: Path, unit: CalendarUnit, since: datetime, findings: Findings
) -> None:
    """Periods begin at midnight; months on their first, weeks on Monday."""
    begins = {"day": True, "week": since.weekday() == 0}.get(unit, since.day == 1)
    if not begins or since.time() != time():
        first = {"day": "", "week": ", on Mondays"}.get(unit, ", on the first of the month")
        told = f"assumed: periods begin at midnight{first}; the start time says which count"
        findings.assume(document, path, told)


def read_budgeting(
    body: SloBody, objective: Placed[ObjectiveBody], kind: IndicatorKind, findings: Findings
) -> Budgeting | None:
    """What the budget of one objective is a share of."""
    method = _METHODS[body.budgeting_method]
    target, length = objective.body.time_slice_target, objective.body.time_slice_window
    if method == "occurrences":
        _ignore(objective, ("timeSliceTarget", target), findings, body.budgeting_method)
        _ignore(objective, ("timeSliceWindow", length), findings, body.budgeting_method)
        return Budgeting()
    slice_length = _read_slice(objective, length, findings)
    if method == "ratio_timeslices":
        _ignore(objective, ("timeSliceTarget", target), findings, body.budgeting_method)
        target = None
    elif target is None and kind in OF_SLICES:
        told = f"assumed: 1; a slice of {kind} is good or bad as a whole"
        findings.assume(objective.document, objective.below("timeSliceTarget"), told)
        target = 1.0
    elif target is None:
        told = "this field is required with budgetingMethod: Timeslices"
        findings.refuse(objective.document, objective.below("timeSliceTarget"), told)
        return None
    return None if slice_length is None else Budgeting(method, slice_length, target)


def _ignore(
    objective: Placed[ObjectiveBody], field: tuple[str, object], findings: Findings, method: str
) -> None:
    name, value = field
    if value is not None:
        told = f"assumed: nothing; budgetingMethod: {method} has no use for it"
        findings.assume(objective.document, objective.below(name), told)


def _read_slice(
    objective: Placed[ObjectiveBody], value: object, findings: Findings
) -> timedelta | None:
    path = objective.below("timeSliceWindow")
    if value is None:
        told = "this field is required with budgetingMethod: Timeslices and RatioTimeslices"
        findings.refuse(objective.document, path, told)
        return None
    text = f"{value}m" if isinstance(value, int) and 0 < value < LONGEST_WINDOW.days else value
    try:
        return parse_duration(text if isinstance(text, str) else "")
    except ValueError:
        findings.refuse(objective.document, path, "allowed: whole minutes, like 1m, 5 or 1h")
        return None
