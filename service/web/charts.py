"""Charts: an Altair spec, drawn as SVG by vl-convert on the server; nothing is fetched.

The SVG is put into the page itself, so that colours follow the page's style sheet (light and dark).
It holds numbers, times and our own words, never a name that an app sent.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from service.domain.slis import Tally

_HOUR = timedelta(hours=1)
_WIDTH, _HEIGHT = 820, 220
_INK, _BAND, _OBJECTIVE, _FAINT = (
    f"var(--chart-{part})" for part in ("line", "band", "objective", "grid")
)


@dataclass(frozen=True, slots=True)
class HourlyRatio:
    """The good ratio of one hour; None where the hour has nothing, so that the line breaks."""

    at: datetime
    good: float | None
    lower: float | None
    upper: float | None


def fill_hours(
    tallies: Sequence[tuple[datetime, Tally]], start: datetime, end: datetime
) -> tuple[HourlyRatio, ...]:
    """An entry for every hour from start to end."""
    known = dict(tallies)
    first = start.replace(minute=0, second=0, microsecond=0)
    count = int((end - first) / _HOUR) + 1
    return tuple(_ratio(first + n * _HOUR, known.get(first + n * _HOUR)) for n in range(count))


def _ratio(at: datetime, tally: Tally | None) -> HourlyRatio:
    if tally is None or tally.bad_ratio is None:
        return HourlyRatio(at, None, None, None)
    bad = tally.interval()
    return HourlyRatio(at, 1 - tally.bad_ratio, 1 - bad.upper, 1 - bad.lower)


def draw_ratio(
    hours: Sequence[HourlyRatio], objective: float, marks: Sequence[datetime] = ()
) -> Markup | None:
    """The good ratio by hour with its 95 % band and the objective; None where there is nothing.

    `marks` are moments to draw a vertical line at: an incident's opening and end.
    """
    goods = [hour.good for hour in hours if hour.good is not None]
    if not goods:
        return None
    spec = _spec(hours, objective, marks, floor=_floor(min(objective, *goods)))
    # Safe to insert as it is: drawn by vl-convert, which escapes, from numbers and fixed words.
    return Markup(_render(json.dumps(spec, sort_keys=True)))  # noqa: S704


def _floor(lowest: float) -> float:
    """Where the axis begins: the lowest value leaves a tenth of what is above it as room."""
    return max(0.0, round(lowest - 0.1 * (1 - lowest) - 0.005, 2))


def _spec(
    hours: Sequence[HourlyRatio], objective: float, marks: Sequence[datetime], floor: float
) -> dict[str, Any]:
    import altair as alt  # takes 0.7 s: only who looks at a chart waits for it

    # The width of the axis is that of the stretch, also where its ends have no calls.
    domain = [hours[0].at.isoformat(), hours[-1].at.isoformat()]
    axis = alt.Axis(format="%b %d %H:%M", tickCount=8, labelOverlap=True)
    x = alt.X("at:T", title=None, scale=alt.Scale(type="utc", domain=domain), axis=axis)
    scale = alt.Scale(domain=[floor, 1], nice=False)
    y = alt.Y("good:Q", title="good, hourly", scale=scale, axis=alt.Axis(format="~%", tickCount=5))
    base = alt.Chart(alt.InlineData(values=_rows(hours, floor))).encode(x=x)
    dashed = alt.Chart(alt.InlineData(values=[{"good": objective}])).mark_rule(
        color=_OBJECTIVE, strokeDash=[6, 4], strokeWidth=1.5
    )
    moments = alt.Chart(alt.InlineData(values=[{"at": at.isoformat()} for at in marks])).mark_rule(
        color=_OBJECTIVE, strokeWidth=1
    )
    chart = alt.layer(
        base.mark_area(color=_BAND).encode(y=alt.Y("lower:Q", scale=scale), y2="upper:Q"),
        base.mark_line(color=_INK, strokeWidth=1.5).encode(y=y),
        base.mark_circle(color=_INK, size=14, opacity=1).encode(y=y),
        dashed.encode(y=y),
        moments.encode(x=x),
    ).properties(width=_WIDTH, height=_HEIGHT, background="transparent")
    ink = {"labelColor": "currentColor", "titleColor": "currentColor", "labelFontSize": 12}
    styled = chart.configure_view(stroke=None).configure_axis(
        **ink, gridColor=_FAINT, domainColor=_FAINT, tickColor=_FAINT, titleFontWeight="normal"
    )
    return styled.to_dict()  # type: ignore[no-any-return]


def _rows(hours: Sequence[HourlyRatio], floor: float) -> list[dict[str, Any]]:
    return [
        {
            "at": hour.at.isoformat(),
            "good": hour.good,
            "lower": None if hour.lower is None else max(floor, hour.lower),
            "upper": hour.upper,
        }
        for hour in hours
    ]


@lru_cache(maxsize=128)
def _render(spec: str) -> str:
    """By content: a page that is loaded again draws nothing again (0.07 s; the first 0.5 s)."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec))
