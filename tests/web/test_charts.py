from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from service.domain.slis import Tally
from service.web.charts import draw_ratio, fill_hours

START = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_hours_without_calls_break_the_line() -> None:
    ten = START.replace(minute=0)
    hours = fill_hours([(ten + HOUR, Tally.from_counts(10, 1))], START, START + 3 * HOUR)
    assert [hour.at for hour in hours] == [ten + n * HOUR for n in range(4)]
    assert [hour.good for hour in hours] == [None, 0.9, None, None]


def test_nothing_to_draw_is_no_chart() -> None:
    assert draw_ratio(fill_hours([], START, START + 5 * HOUR), 0.9) is None


def test_a_chart_is_well_formed_needs_no_network_and_no_inline_style() -> None:
    tallies = [(START.replace(minute=0) + n * HOUR, Tally.from_counts(10, n)) for n in range(9)]
    chart = draw_ratio(fill_hours(tallies, START, START + 9 * HOUR), 0.9, [START + 2 * HOUR])
    assert chart is not None
    root = ElementTree.fromstring(chart)  # noqa: S314 - our own drawing
    assert root.tag.endswith("svg")
    assert "style=" not in chart
    assert "<script" not in chart
    assert "href=" not in chart.replace('xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    assert "var(--chart-line)" in chart
