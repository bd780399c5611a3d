from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from service.domain.slis import Tally
from service.web.charts import draw_ratio, fill_steps

START = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_hours_without_calls_break_the_line() -> None:
    ten = START.replace(minute=0)
    hours = fill_steps([(ten + HOUR, Tally.from_counts(10, 1))], START, START + 3 * HOUR)
    assert [hour.good for hour in hours] == [None, 0.9, None, None]


def test_a_dot_stands_in_the_middle_of_what_it_counts() -> None:
    hours = fill_steps([], START, START + 2 * HOUR)
    minutes = [(hour.middle - START).total_seconds() / 60 for hour in hours]
    assert minutes == [15, 60, 105]  # of the first and the last hour only a half is counted


def test_a_finer_step_has_more_dots() -> None:
    assert len(fill_steps([], START, START + HOUR, step=timedelta(minutes=10))) == 6


def test_nothing_to_draw_is_no_chart() -> None:
    assert draw_ratio(fill_steps([], START, START + 5 * HOUR), 0.9) is None


def test_a_chart_is_well_formed_needs_no_network_and_no_inline_style() -> None:
    tallies = [(START.replace(minute=0) + n * HOUR, Tally.from_counts(10, n)) for n in range(9)]
    chart = draw_ratio(fill_steps(tallies, START, START + 9 * HOUR), 0.9, [START + 2 * HOUR])
    assert chart is not None
    root = ElementTree.fromstring(chart)  # noqa: S314 - our own drawing
    assert root.tag.endswith("svg")
    assert "style=" not in chart
    assert "<script" not in chart
    assert "href=" not in chart.replace('xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    assert "var(--chart-line)" in chart
