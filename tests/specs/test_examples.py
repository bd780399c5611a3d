"""The examples that the README applies are valid, and say what their comments say."""

from collections.abc import Iterable
from pathlib import Path as FilePath

from evaluators import registry
from evaluators.contract import PassRule, Task
from evaluators.registry import EvaluatorError
from service.domain.alert_windows import propose_catalogue
from service.specs.declarations import Declarations, EvaluatorSpec, TaskSpec
from service.specs.parse_declarations import parse_declarations
from service.specs.problems import Path

EXAMPLES = FilePath(__file__).parents[2] / "deploy" / "examples" / "llmdrift"
INSTALLED = registry.load()


def check(evaluator: EvaluatorSpec, task: TaskSpec) -> Iterable[tuple[Path, str]]:
    bounds = evaluator.passes
    rule = None if bounds is None else PassRule(bounds.at_least, bounds.at_most)
    try:
        INSTALLED.build(evaluator.name, evaluator.config, Task(task.name, task.contract), rule)
    except EvaluatorError as error:
        yield (), str(error)


def declared() -> Declarations:
    files = [(path.name, path.read_text()) for path in sorted(EXAMPLES.glob("*.yaml"))]
    variables = {"WATCHKEEPER_WEBHOOK_URL": "http://127.0.0.1:9000/hook"}
    return parse_declarations(files, variables, check_evaluator=check)


def test_the_example_holds_an_app_its_tasks_and_three_slos() -> None:
    found = declared()
    assert [app.name for app in found.apps] == ["llmdrift"]
    assert [task.name for task in found.tasks] == ["prime", "sensitive"]
    assert {spec.slo.name: spec.slo.objective for spec in found.slos} == {
        "correct-answers": 0.80,
        "answered-sensitive": 0.20,
        "prime-availability": 0.99,
    }


def test_the_pages_of_correct_answers_are_those_that_are_proposed() -> None:
    slo = next(spec.slo for spec in declared().slos if spec.slo.name == "correct-answers")
    proposed = propose_catalogue(slo.objective, slo.window)
    assert slo.tiers == tuple(tier for tier in proposed if tier.severity == "page")
