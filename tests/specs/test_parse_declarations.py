"""Documents become declarations, or one error that names every fault."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert_windows import standard_catalogue
from service.specs.declarations import EvaluatorSpec, Known, PassBounds, TaskSpec
from service.specs.parse_declarations import parse_declarations
from service.specs.problems import InvalidDeclarationError, Path

APP = """
apiVersion: watchkeeper/v1
kind: App
metadata: {name: support, displayName: Support bot}
spec: {team: care, channels: [care-hook]}
"""
CHANNEL = """
apiVersion: watchkeeper/v1
kind: Channel
metadata: {name: care-hook}
spec: {type: webhook, url: "${HOOK}", secret: "${SECRET}"}
"""
TASK = r"""
apiVersion: watchkeeper/v1
kind: Task
metadata: {name: answer}
spec:
  app: support
  contract: {type: object}
  evaluators:
    - {name: expected_answer, config: {pattern: '\[(yes|no)\]$'}}
    - {name: length, passes: {atMost: 2000}}
  drift: [length]
"""
SLO = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: correct, displayName: Correct answers}
spec:
  service: support
  indicator:
    metadata: {name: correct-ratio}
    spec:
      ratioMetric:
        counter: true
        good:
          metricSource:
            type: watchkeeper
            spec: {task: answer, environment: production, evaluator: expected_answer, verdict: pass}
        total:
          metricSource:
            type: watchkeeper
            spec: {task: answer, environment: production, evaluator: expected_answer}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.95}]
  alertPolicies:
    - kind: AlertPolicy
      spec:
        conditions:
          - kind: AlertCondition
            spec:
              severity: page
              condition: {kind: burnrate, op: gt, threshold: 5, lookbackWindow: 6h}
"""
ENVIRONMENT = {"HOOK": "https://u:pw@hooks.example/T0/token?key=k", "SECRET": "s3cret"}
ALL = [("a.yaml", APP + "---" + CHANNEL), ("t.yaml", TASK), ("s.yaml", SLO)]


def faults(
    files: Iterable[tuple[str, str]] = ALL, environment: dict[str, str] | None = None, **more: Any
) -> list[str]:
    with pytest.raises(InvalidDeclarationError) as caught:
        parse_declarations(files, ENVIRONMENT if environment is None else environment, **more)
    assert str(caught.value).count("\n- ") == len(caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def with_change(old: str, new: str) -> list[tuple[str, str]]:
    changed = [(name, text.replace(old, new)) for name, text in ALL]
    assert changed != ALL
    return changed


def test_a_whole_set_is_read() -> None:
    found = parse_declarations(ALL, ENVIRONMENT)
    (app,), (task,), (channel,), (slo,) = found.apps, found.tasks, found.channels, found.slos
    assert (app.name, app.display_name, app.team) == ("support", "Support bot", "care")
    assert app.channels == ("care-hook",)
    assert task.evaluators == (
        EvaluatorSpec("expected_answer", {"pattern": r"\[(yes|no)\]$"}, None),
        EvaluatorSpec("length", {}, PassBounds(None, 2000.0)),
    )
    assert (task.contract, task.drift) == ({"type": "object"}, ("length",))
    assert (channel.url, channel.secret) == (ENVIRONMENT["HOOK"], "s3cret")
    assert slo.display_name == "Correct answers"
    assert (slo.slo.app, slo.slo.objective) == ("support", 0.95)
    assert slo.slo.indicator.kind == "quality"
    assert slo.slo.window == timedelta(days=28)
    (tier,) = slo.slo.tiers
    assert (tier.factor, tier.long, tier.short) == (5, timedelta(hours=6), timedelta(minutes=30))


def test_without_policies_the_standard_catalogue_watches() -> None:
    slo = SLO[: SLO.index("  alertPolicies")].replace("target: 0.95", "targetPercent: 99.9")
    slo = slo.replace("evaluator: expected_answer, verdict: pass", "outcome: ok")
    slo = slo.replace(", evaluator: expected_answer", "")
    found = parse_declarations([*ALL[:2], ("s.yaml", slo)], ENVIRONMENT).slos[0].slo
    assert found.objective == 0.999
    assert found.indicator.kind == "availability"
    assert found.tiers == standard_catalogue(timedelta(days=28))


def test_no_representation_shows_a_token() -> None:
    shown = repr(parse_declarations(ALL, ENVIRONMENT))
    assert "https://hooks.example" in shown
    assert not any(secret in shown for secret in ("token", "key=k", "s3cret", "pw"))


def test_what_the_database_holds_may_be_referred_to() -> None:
    known = Known(
        apps=frozenset({"support"}),
        channels=frozenset({"care-hook"}),
        evaluators={("support", "answer"): frozenset({"expected_answer"})},
    )
    assert parse_declarations([("s.yaml", SLO)], {}, known).slos[0].slo.name == "correct"
    assert parse_declarations([("a.yaml", APP)], {}, known).apps[0].name == "support"


def test_every_fault_of_every_document_is_told_at_once() -> None:
    broken = [
        ("a.yaml", APP.replace("care,", "Care Team,") + "---" + CHANNEL),
        ("t.yaml", TASK.replace("drift:", "drfit:")),
        ("s.yaml", SLO.replace("target: 0.95", "target: 95").replace("28d", "28 days")),
        ("x.yaml", "kind: Tsk"),
    ]
    assert faults(broken, {"HOOK": "https://hooks.example"}) == [
        "a.yaml:5, document 1, spec.team: found 'Care Team'; "
        "allowed: text that matches ^[a-z0-9][a-z0-9._-]{0,62}$",
        "a.yaml:10, document 2, spec.secret: found ${SECRET}; set the variable SECRET in the "
        "environment, or write $${SECRET} for text",
        "s.yaml:20, document 1, spec.timeWindow[0].duration: found '28 days'; "
        "allowed: a whole number and m, h, d or w, like 30m, 6h, 28d or 1w "
        "(in calendars M, Q and Y, too)",
        "s.yaml:22, document 1, spec.objectives[0].target: found the number 95; "
        "allowed: a number between 0 and 1, like 0.95 (or targetPercent: 95)",
        "t.yaml:11, document 1, spec.drfit: found an unknown field 'drfit'; "
        "did you mean 'drift'? Allowed: app, contract, drift, evaluators, sampleRate",
        "x.yaml:1, document 1, kind: found 'Tsk'; did you mean 'Task'? "
        "Allowed: AlertCondition, AlertNotificationTarget, AlertPolicy, App, Channel, DataSource, "
        "SLI, SLO, Service, Task",
    ]


CHANGES = [
    ("target: 0.95", "target: '0.95'", "target: found '0.95'; allowed: a number, not quoted"),
    ("target: 0.95", "target: .nan", "target: found the number nan; allowed: a number"),
    ("{target: 0.95}", "{}", "objectives[0]: found a mapping; allowed: exactly one of target"),
    ("isRolling: true", "isRolling: false", "timeWindow[0].calendar: found nothing; this field"),
    ("Occurrences", "Timeslice", "budgetingMethod: found 'Timeslice'; allowed: 'Occurrences', 'T"),
    ("op: gt", "op: le", "condition.op: found 'le'; allowed: 'gt', 'gte', 'lt' or 'lte'"),
    ("severity: page", "severity: sms", "severity: found 'sms'; allowed: 'page' or 'ticket'"),
    ("threshold: 5", "threshold: -1", "threshold: found the number -1; allowed: a number above 0"),
    ("threshold: 5", "threshold: 0.5", "a burn-rate threshold is at least 0.9"),
    ("lookbackWindow: 6h", "lookbackWindow: 60d", "no longer than the SLO's 28 d: found 60 d"),
    ("duration: 28d", "duration: 1h", "the window is at least 1 d: found 1 h"),
    ("name: support, ", "", "metadata.name: found nothing; this field is required"),
    ("name: care-hook", "name: 1", "metadata.name: found the number 1; allowed: text; quote it"),
    ("watchkeeper/v1\nkind: App", "v2\nkind: App", "found 'v2'; allowed for kind App: watchkeeper"),
    ("service: support", "service: suport", "no app named 'suport'; did you mean 'support'?"),
    ("app: support", "app: suport", "spec.app: found no app named 'suport'; did you mean"),
    ("channels: [care-hook]", "channels: [x]", "spec.channels[0]: found no channel named 'x'"),
    ("drift: [length]", "drift: [lenght]", "spec.drift[0]: found no evaluator of this task named"),
    ("{name: length,", "{name: expected_answer,", "evaluators[1].name: found 'expected_answer'"),
    ("task: answer", "task: answr", "spec.task: found no task of support named 'answr'"),
    (
        "evaluator: expected_answer",
        "evaluator: refusal",
        "evaluator of task answer named 'refusal'",
    ),
    ("{atMost: 2000}", "{}", "passes: found a mapping; allowed: atLeast, atMost or both"),
    ("{atMost: 2000}", "{atMost: 1, atLeast: 2}", "allowed: atLeast no higher than atMost"),
    ("{atMost: 2000}", "{atmost: 1}", "unknown field 'atmost'; did you mean 'atMost'?"),
    (", verdict: pass", "", "verdict: found nothing; evaluator and verdict: pass go together"),
    (", verdict: pass", ", verdict: pass, outcome: ok", "allowed: evaluator (quality) or outcome"),
    ("expected_answer}\n  time", "refusal}\n  time", "the same as on good, 'expected_answer'"),
    ("expected_answer}\n  time", "expected_answer, verdict: pass}\n  time", "drop verdict"),
    (
        "contract: {type: object}",
        "contract: 3",
        "spec.contract: found the number 3; allowed: a map",
    ),
    ("contract: {type: object}", "contract: {1: a}", "found the key the number 1; allowed: text"),
    ("contract: {type: object}", r'contract: {a: "\0"}', "text without NUL and lone surrogates"),
    ("contract: {type: object}", "contract: {a: 1, a: 2}", "the key 'a' is given twice (line"),
    ("contract: {type: object}", "contract: &a [*a]", "spec.contract[0][0]"),
    (
        "contract: {type: object}",
        "contract: ${NO",
        "spec.contract: found '${NO'; allowed: a mapping",
    ),
    ("contract: {type: object}", "contract: {a: '${1}'}", "found ${1}; allowed: ${NAME}"),
    ("kind: Task", "kind: [", "valid YAML"),
    ("kind: Task", "kind: 2026-99-99", "valid YAML"),
    ("kind: Task", "kind: \x07", "valid YAML"),
]


@pytest.mark.parametrize(("old", "new", "told"), CHANGES)
def test_a_fault_is_told_with_what_was_found_and_what_is_allowed(
    old: str, new: str, told: str
) -> None:
    assert any(told in fault for fault in faults(with_change(old, new)))


def test_names_that_are_taken_twice_are_told_with_the_first_place() -> None:
    twice = [*ALL, ("z.yaml", f"{APP}---{TASK}---{CHANNEL}---{SLO}")]
    assert faults(twice) == [
        "z.yaml:4, document 1, metadata.name: found a second app 'support'; it is declared before, "
        "in a.yaml, document 1",
        "z.yaml:9, document 2, metadata.name: found a second task 'answer'; it is declared before, "
        "in t.yaml, document 1",
        "z.yaml:20, document 3, metadata.name: found a second channel 'care-hook'; it is declared "
        "before, in a.yaml, document 2",
        "z.yaml:25, document 4, metadata.name: found a second SLO 'correct'; it is declared "
        "before, in s.yaml, document 1",
    ]


@pytest.mark.parametrize("url", ["ftp://tok.example/t0ken", "https://[t0ken", "t0ken", "http://"])
def test_a_wrong_address_is_refused_without_being_shown(url: str) -> None:
    (fault,) = faults(environment={"HOOK": url, "SECRET": "x"})
    assert fault.startswith("a.yaml:10, document 2, spec.url: found a value that is not shown here")
    assert "t0ken" not in fault


def test_a_reference_into_a_faulty_document_is_no_second_fault() -> None:
    broken = with_change("drift: [length]", "drift: 3")
    assert faults(broken) == [
        "t.yaml:11, document 1, spec.drift: found the number 3; allowed: a list"
    ]


def test_tiers_that_cannot_fire_are_refused_with_a_catalogue_that_can_be_pasted() -> None:
    (fault,) = faults(with_change("target: 0.95", "target: 0.8"))
    assert "tiers that cannot fire (page at 5 over 6 h)" in fault
    assert "a total failure burns 5 times the sustainable rate, no more" in fault
    start = fault.index("  alertPolicies:")
    pasted = SLO[: SLO.index("  alertPolicies:")].replace("target: 0.95", "target: 0.8")
    found = parse_declarations([*ALL[:2], ("s.yaml", pasted + fault[start:])], ENVIRONMENT)
    tiers = found.slos[0].slo.tiers
    assert [(tier.severity, tier.factor) for tier in tiers] == [
        ("page", 3.0),
        ("page", 1.7),
        ("ticket", 1.2),
        ("ticket", 0.9333),
    ]


def test_where_no_catalogue_works_the_advice_is_to_turn_the_indicator_around() -> None:
    (fault,) = faults(with_change("target: 0.95", "target: 0.1"))
    assert "turn the indicator around" in fault
    assert "threshold from 1 to 1.111" in fault


def test_faults_of_evaluators_are_told_by_who_knows_them() -> None:
    def check(evaluator: EvaluatorSpec, task: TaskSpec) -> Iterable[tuple[Path, str]]:
        if evaluator.name == "length":
            yield ("config", "unit"), f"allowed for {task.name}: characters or words"

    assert faults(check_evaluator=check) == [
        "t.yaml:10, document 1, spec.evaluators[1].config.unit: found nothing; "
        "allowed for answer: characters or words"
    ]


def test_a_dollar_is_kept_unless_it_names_a_variable() -> None:
    text = TASK.replace("type: object", "a: $ref, b: 'a$$', c: '$${HOME}', d: '${X}${X}'")
    known = Known(apps=frozenset({"support"}))
    task = parse_declarations([("t.yaml", text)], {"X": "x"}, known).tasks[0]
    assert task.contract == {"a": "$ref", "b": "a$$", "c": "${HOME}", "d": "xx"}


def test_aliases_that_grow_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert "too much" in faults([("bomb.yaml", "\n".join(lines))])[0]
    assert faults([("deep.yaml", "a: " + "[" * 5000)])


def test_empty_documents_are_nothing() -> None:
    assert parse_declarations([("e.yaml", "---\n---\n# nothing\n")], {}).apps == ()


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
PLACES = st.sampled_from([APP, CHANNEL, TASK, SLO])


@given(PLACES, st.lists(st.integers(0, 9), max_size=9), YAML_VALUES)
def test_whatever_stands_anywhere_is_read_or_refused(
    text: str, steps: list[int], value: object
) -> None:
    document = yaml.safe_load(text)
    place: Any = document
    for step in steps:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = keys[step % len(keys)]
        if step == steps[-1] or not isinstance(place[key], dict | list) or not place[key]:
            place[key] = value
            break
        place = place[key]
    known = Known(
        frozenset({"support"}),
        frozenset({"care-hook"}),
        {("support", "answer"): frozenset({"expected_answer", "length"})},
    )
    text = yaml.safe_dump(document)
    try:
        outcome: object = parse_declarations([("f.yaml", text)], ENVIRONMENT, known)
    except InvalidDeclarationError as error:
        outcome = error.problems
    assert outcome
