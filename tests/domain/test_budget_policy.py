from dataclasses import replace
from datetime import UTC, datetime, timedelta

from service.domain.alert_windows import propose_catalogue
from service.domain.budget_policy import (
    Crossing,
    PolicyStep,
    Spent,
    compose_crossing,
    consequences_of,
    judge_policy,
)
from service.domain.budget_windows import Calendar
from service.domain.indicators import Indicator
from service.domain.slis import Interval
from service.domain.slos import Consequence, Slo

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOW = timedelta(days=28)
QUARTER, FREEZE = Consequence(0.25, "notify"), Consequence(0.0, "freeze")
ROLLING = Slo(
    *("answers-correct", "support"),
    Indicator("availability", "answer", "production"),
    0.95,
    WINDOW,
    propose_catalogue(0.95, WINDOW),
    policy=(QUARTER, FREEZE),
)
MONTHLY = replace(ROLLING, calendar=Calendar("month", 1, "UTC", datetime(2026, 1, 1, tzinfo=UTC)))


def left(remaining: float, within: float = 0.1) -> Spent:
    spent = 1 - remaining
    return Spent(remaining, Interval(max(0.0, spent - within), spent + within))


class Budget:
    """Keeps the crossings of an SLO, as the store does."""

    def __init__(self, slo: Slo = ROLLING) -> None:
        self.slo = slo
        self.crossings: list[Crossing] = []

    def read(self, spent: Spent | None, at: datetime) -> PolicyStep:
        step = judge_policy(self.slo, spent, self.crossings, now=at)
        ended = [replace(crossing, until=at) for crossing in step.end]
        kept = [crossing for crossing in self.crossings if crossing not in step.end]
        self.crossings = [*kept, *ended, *step.begin]
        return step

    @property
    def in_force(self) -> list[Consequence]:
        return [crossing.consequence for crossing in self.crossings if crossing.until is None]


def test_a_consequence_comes_at_its_share_and_is_told_once() -> None:
    budget = Budget()
    assert budget.read(left(0.26), NOON) == PolicyStep()
    (told,) = budget.read(left(0.25), NOON + HOUR).tell
    assert (told.consequence, told.remaining, told.since) == (QUARTER, 0.25, NOON + HOUR)
    assert budget.read(left(0.20), NOON + 2 * HOUR) == PolicyStep()
    assert budget.in_force == [QUARTER]


def test_a_budget_that_stands_at_the_share_does_not_come_and_go() -> None:
    budget = Budget()
    budget.read(left(0.249), NOON)
    for hour, remaining in enumerate((0.251, 0.249, 0.269, 0.25)):
        assert budget.read(left(remaining), NOON + hour * HOUR) == PolicyStep()
    assert [c.consequence for c in budget.read(left(0.271), NOON + DAY).end] == [QUARTER]


def test_a_second_crossing_within_the_period_is_recorded_and_not_told() -> None:
    budget = Budget()
    assert budget.read(left(0.2), NOON).tell
    budget.read(left(0.5), NOON + DAY)
    again = budget.read(left(0.2), NOON + 2 * DAY)
    assert (len(again.begin), again.tell) == (1, ())
    budget.read(left(0.5), NOON + 3 * DAY)
    assert budget.read(left(0.2), NOON + 29 * DAY).tell, "a window later it is news"


def test_a_new_month_begins_with_a_new_budget() -> None:
    budget = Budget(MONTHLY)
    budget.read(left(-0.5), NOON)
    assert budget.in_force == [FREEZE, QUARTER]
    december = datetime(2026, 12, 1, 0, 1, tzinfo=UTC)
    budget.read(None, december)
    assert budget.in_force == []
    assert budget.read(left(0.1), december + 10 * DAY).tell


def test_what_says_too_little_changes_nothing() -> None:
    budget = Budget()
    assert budget.read(left(-0.3, within=0.8), NOON) == PolicyStep(), "it may be half full"
    assert budget.read(left(-3.0, within=0.8), NOON).begin, "it cannot be"
    assert budget.read(left(0.7, within=0.8), NOON + DAY) == PolicyStep()
    assert budget.read(None, NOON + DAY) == PolicyStep()
    assert budget.in_force == [FREEZE, QUARTER]


def test_a_freeze_is_not_told_but_in_force() -> None:
    budget = Budget(replace(ROLLING, policy=(FREEZE,)))
    step = budget.read(left(-0.1), NOON)
    assert (len(step.begin), step.tell) == (1, ())


def test_a_policy_without_a_freeze_freezes_when_the_budget_is_spent() -> None:
    assert FREEZE in consequences_of(replace(ROLLING, policy=()))
    own = (Consequence(0.1, "freeze"),)
    assert consequences_of(replace(ROLLING, policy=own)) == own


def test_what_is_declared_no_more_is_in_force_no_more() -> None:
    budget = Budget()
    budget.read(left(0.2), NOON)
    budget.slo = replace(ROLLING, policy=(FREEZE,))
    budget.read(left(0.2), NOON + HOUR)
    assert budget.in_force == []


def test_the_message_tells_what_is_left_with_its_interval() -> None:
    (told,) = Budget().read(left(0.25), NOON).tell
    message = compose_crossing(
        ROLLING, "Answers are correct", told, left(0.25), simulated=False, at=NOON
    )
    data = message.payload["data"]
    assert data["summary"] == (
        "Answers are correct: 25.0 % of the error budget is left (95 % interval: 15.0 % to "
        "35.0 %); the policy asks to tell at 25.0 %"
    )
    assert message.addressed("https://watch.example.org").payload["data"]["url"] == (
        "https://watch.example.org/slos/support/answers-correct"
    )
    assert message.id.endswith("-20261125T120000Z")
