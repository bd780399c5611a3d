"""Charts: an Altair spec, drawn as SVG by vl-convert on the server; nothing is fetched.

The SVG is put into the page itself, so that colours follow the page's style sheet (light and dark).
It holds numbers, times and our own words, never a name that an app sent.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from service.domain.slis import Tally

HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTH, _HEIGHT = 820, 220
_INK, _BAND, _OBJECTIVE, _FAINT = (
    f"var(--chart-{part})" for part in ("line", "band", "objective", "grid")
)


@dataclass(frozen=True, slots=True)
class StepRatio:
    """The good ratio of one step [start, end); None where it has nothing, so that the line breaks.

    What began at its end must not seem to have begun at its start: it is drawn in its middle.
    """

    start: datetime
    end: datetime
    good: float | None
    lower: float | None
    upper: float | None

    @property
    def middle(self) -> datetime:
        return self.start + (self.end - self.start) / 2


def fill_steps(
    tallies: Sequence[tuple[datetime, Tally]],
    start: datetime,
    end: datetime,
    *,
    step: timedelta = HOUR,
) -> tuple[StepRatio, ...]:
    """An entry for every step from start to end; the outer ones hold only what is in between."""
    # Whole minutes, so that the chart of a page that is loaded again is the same one.
    start, end = start - (start - _EPOCH) % _MINUTE, end + (_EPOCH - end) % _MINUTE
    known = dict(tallies)
    at = start - (start - _EPOCH) % step
    steps = []
    while at < end:
        steps.append(_ratio(max(at, start), min(at + step, end), known.get(at)))
        at += step
    return tuple(steps)


def _ratio(start: datetime, end: datetime, tally: Tally | None) -> StepRatio:
    if tally is None or tally.bad_ratio is None:
        return StepRatio(start, end, None, None, None)
    bad = tally.interval()
    return StepRatio(start, end, 1 - tally.bad_ratio, 1 - bad.upper, 1 - bad.lower)


def draw_ratio(
    steps: Sequence[StepRatio], objective: float, marks: Sequence[datetime] = ()
) -> Markup | None:
    """The good ratio by step with its 95 % band and the objective; None where there is nothing.

    `marks` are moments to draw a vertical line at: an incident's opening and end.
    """
    goods = [step.good for step in steps if step.good is not None]
    if not goods:
        return None
    spec = _spec(steps, objective, marks, floor=_floor(min(objective, *goods)))
    # Safe to insert as it is: drawn by vl-convert, which escapes, from numbers and fixed words.
    return Markup(_render(json.dumps(spec, sort_keys=True)))  # noqa: S704


def _floor(lowest: float) -> float:
    """Where the axis begins: the lowest value leaves a tenth of what is above it as room."""
    return max(0.0, round(lowest - 0.1 * (1 - lowest) - 0.005, 2))


def _spec(
    steps: Sequence[StepRatio], objective: float, marks: Sequence[datetime], floor: float
) -> dict[str, Any]:
    import altair as alt  # takes 0.7 s: only who looks at a chart waits for it

    # The width of the axis is that of the stretch, also where its ends have no calls.
    domain = [steps[0].start.isoformat(), steps[-1].end.isoformat()]
    axis = alt.Axis(format="%b %d %H:%M", tickCount=8, labelOverlap=True)
    x = alt.X("at:T", title=None, scale=alt.Scale(type="utc", domain=domain), axis=axis)
    scale = alt.Scale(domain=[floor, 1], nice=False)
    y = alt.Y("good:Q", title="good", scale=scale, axis=alt.Axis(format="~%", tickCount=5))
    base = alt.Chart(alt.InlineData(values=_rows(steps, floor))).encode(x=x)
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


def _rows(steps: Sequence[StepRatio], floor: float) -> list[dict[str, Any]]:
    return [
        {
            "at": step.middle.isoformat(),
            "good": step.good,
            "lower": None if step.lower is None else max(floor, step.lower),
            "upper": step.upper,
        }
        for step in steps
    ]


@lru_cache(maxsize=128)
def _render(spec: str) -> str:
    """By content: a page that is loaded again draws nothing again (0.07 s; the first 0.5 s)."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec))
