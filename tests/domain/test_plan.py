from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.alert_windows import AlertTier, standard_catalogue
from service.domain.budget_windows import Calendar
from service.domain.field_changes import Concealed, FieldChange, find_changes
from service.domain.indicators import Filters, Indicator, Member
from service.domain.plan import Held, Stated, Subject, make_plan
from service.domain.slos import Budgeting, Consequence, Slo
from service.flows.plan_declarations import shown_fields
from service.store.slo_versions import write_version

APP, OTHER = Subject("app", "support"), Subject("app", "search")
CHANNEL = Subject("channel", "on-call")
TASK = Subject("task", "answer", "support")
SLO, COMPOSITE = (Subject("slo", name, "support") for name in ("correct", "overall"))
NOTHING = Stated({})
ON_TASK = Stated({}, frozenset([TASK]))
WINDOW = timedelta(days=28)


def owned(stated: Stated = NOTHING, *owners: str) -> Held:
    return Held(stated, frozenset(owners or ["support"]))


def actions(held: dict[Subject, Held], *declared: Subject, **options: bool) -> dict[Subject, str]:
    plan = make_plan(held, dict.fromkeys(declared, NOTHING), **options)
    return {step.subject: step.action for step in plan.steps}


def test_what_is_declared_with_its_app_goes_when_the_app_is_declared_without_it() -> None:
    held = {APP: Held(NOTHING), TASK: owned(), SLO: owned(ON_TASK)}
    assert actions(held, APP) == {APP: "unchanged", SLO: "archive", TASK: "archive"}
    assert actions(held, APP, TASK) == {APP: "unchanged", TASK: "unchanged", SLO: "archive"}
    assert actions(held, APP, keep_missing=True) == {APP: "unchanged"}


def test_other_sets_take_nothing_away() -> None:
    held = {APP: Held(NOTHING), TASK: owned(), SLO: Held(ON_TASK)}
    assert actions(held, OTHER) == {OTHER: "create"}
    assert actions(held, TASK) == {TASK: "unchanged"}
    assert actions(held, APP, TASK) == {APP: "unchanged", TASK: "unchanged"}, "it has no owner"


def test_what_something_else_needs_is_kept() -> None:
    composite = Stated({}, frozenset([SLO]))
    held = {APP: Held(NOTHING), TASK: owned(), SLO: owned(ON_TASK), COMPOSITE: Held(composite)}
    plan = make_plan(held, {APP: NOTHING})
    kept = {step.subject: step.reason for step in plan.of("keep")}
    assert kept == {SLO: "slo support/overall needs it", TASK: "slo support/correct needs it"}
    assert not plan.has_changes


def test_a_channel_goes_with_the_last_app_that_uses_it() -> None:
    uses = Stated({}, frozenset([CHANNEL]))
    held = {APP: Held(uses), OTHER: Held(uses), CHANNEL: owned()}
    assert actions(held, APP)[CHANNEL] == "keep"
    assert actions(held, APP, OTHER)[CHANNEL] == "archive"


def test_what_is_archived_comes_back_and_does_not_go_twice() -> None:
    held = {APP: Held(NOTHING), SLO: Held(NOTHING, frozenset(["support"]), is_archived=True)}
    assert actions(held, APP) == {APP: "unchanged"}
    assert actions(held, APP, SLO)[SLO] == "revive"


def test_what_needs_others_comes_after_them_and_goes_before_them() -> None:
    made = make_plan({}, dict.fromkeys([SLO, TASK, APP, CHANNEL], NOTHING))
    assert [step.subject for step in made.steps] == [CHANNEL, APP, TASK, SLO]
    held = {each: owned() for each in (CHANNEL, TASK, SLO)}
    gone = make_plan(held, {APP: NOTHING}).of("archive")
    assert [step.subject for step in gone] == [SLO, TASK, CHANNEL]


def test_members_of_lists_are_compared_by_name_and_not_by_place() -> None:
    first, second = {"name": "length", "min": 1}, {"name": "refusal", "min": 2}
    assert not find_changes({"of": [first, second]}, {"of": [second, first]})
    changes = find_changes({"of": [first, second]}, {"of": [{**second, "min": 3}]})
    assert [str(change) for change in changes] == [
        "of[length].min: 1 -> nothing",
        "of[refusal].min: 2 -> 3",
    ]


def test_what_is_concealed_is_compared_and_not_shown() -> None:
    old, new = ({"url": Concealed(f"https://chat/{token}")} for token in ("one", "two"))
    assert not find_changes(old, old)
    (change,) = find_changes(old, new)
    assert str(change) == "url: (not shown) -> another value"
    assert "chat" not in repr(change)


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("objective", 0.98, 0.95),
        ("indicator.limit", 2000.0, 5000.0),
        ("budgeting.slice_target", 0.9, 0.8),
        ("tiers[page, 1 h].factor", 14.4, None),
        ("tiers[page, 1 h].factor", 6.0, 14.4),
        ("channels", ("chat", "on-call"), ("chat",)),
        ("drift", ("length",), None),
        ("policy[freeze, 0].is", "given", None),
        ("evaluators[length].passes.at_least", 20, 10),
        ("evaluators[length].passes.at_most", 20, None),
    ],
)
def test_promising_less_is_seen(field: str, old: object, new: object) -> None:
    assert FieldChange(field, old, new).is_looser
    assert not FieldChange(field, new, old).is_looser


def test_only_what_goes_or_promises_less_needs_consent() -> None:
    loose, strict = Stated({"objective": 0.9}), Stated({"objective": 0.95})
    assert not make_plan({}, {SLO: strict}).needs_consent
    assert not make_plan({SLO: owned(loose)}, {SLO: strict}).needs_consent
    assert make_plan({SLO: owned(strict)}, {SLO: loose}).needs_consent
    assert make_plan({SLO: owned(strict)}, {APP: NOTHING}).needs_consent


def test_no_part_of_an_slo_can_change_unseen() -> None:
    tiers = standard_catalogue(WINDOW)
    of_calls = Indicator("latency", "answer", "production", limit=1000.0)
    slo = Slo("correct", "support", of_calls, 0.95, WINDOW, tiers)
    month = Calendar("month", 1, "UTC", datetime(2026, 1, 1, tzinfo=UTC))
    own = AlertTier.of("page", timedelta(hours=2), 9.0, WINDOW)
    slices = Budgeting("ratio_timeslices", timedelta(minutes=5))
    other = {
        "indicator": [
            Indicator("latency", "answer", "production", limit=2500.0),
            Indicator("latency", "answer", "staging", limit=1000.0),
            Indicator("latency", "route", "production", limit=1000.0),
            Indicator("availability", "answer", "production"),
            Indicator("quality", "answer", "production", "refusal"),
            Indicator("signals", "answer", "production", signals=("thumbs",)),
            Indicator("latency", "answer", "production", limit=1000.0, filters=Filters("v2")),
            Indicator("composite", "", "production", members=(Member("a", 1.0),)),
        ],
        "objective": [0.96],
        "window": [timedelta(days=30)],
        "tiers": [(*tiers[1:], own), tiers[1:]],
        "calendar": [month],
        "budgeting": [slices],
        "policy": [(Consequence(0.1, "notify"),)],
    }
    names = {field.name for field in fields(Slo)} - {"name", "app"}
    assert other.keys() == names, "each field has a change here"
    before = shown_fields(write_version(slo, "Correct"))
    for name, values in other.items():
        for value in values:
            parts = {each: getattr(slo, each) for each in names} | {name: value}
            after = shown_fields(write_version(Slo("correct", "support", **parts), "Correct"))
            assert find_changes(before, after), (name, value)
