import re
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from evaluators import registry
from service.flows.apply_declarations import Applied, apply_declarations
from service.flows.check_slos import BlindSloError
from service.specs.problems import InvalidDeclarationError
from service.store import tables
from service.store.slos import list_slos
from tests.declared import NOW

REGISTRY = registry.load()
README = Path(__file__).parents[2] / "README.md"
EXAMPLE = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.S)[0]
DECLARED = (tables.apps, tables.tasks, tables.slos, tables.channels)


def apply(engine: Engine, *texts: str) -> Applied:
    files = [(f"{number}.yaml", text) for number, text in enumerate(texts)]
    return apply_declarations(engine, REGISTRY, files, {}, now=NOW)


def counts(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return [
            connection.scalar(select(func.count()).select_from(table)) or 0 for table in DECLARED
        ]


def test_the_example_of_the_readme_applies(engine: Engine) -> None:
    apply(engine, EXAMPLE)
    assert counts(engine) == [1, 1, 1, 0]
    with engine.connect() as connection:
        (stored,) = list_slos(connection)
    assert (stored.slo.app, stored.slo.name, stored.slo.objective) == (
        "support",
        "answers-given",
        0.98,
    )
    assert [tier.severity for tier in stored.slo.tiers] == ["page", "page", "ticket", "ticket"]


def test_applying_again_changes_the_stored_objects_and_adds_none(engine: Engine) -> None:
    apply(engine, EXAMPLE)
    apply(engine, EXAMPLE.replace("0.98", "0.95"))
    assert counts(engine) == [1, 1, 1, 0]
    with engine.connect() as connection:
        (stored,) = list_slos(connection)
    assert stored.slo.objective == 0.95


def test_one_fault_leaves_everything_as_it_was(engine: Engine) -> None:
    faulty = EXAMPLE.replace("name: repetition", "name: repetitions")
    with pytest.raises(InvalidDeclarationError, match="nothing was applied") as caught:
        apply(engine, faulty)
    assert "spec.evaluators[2].name" in str(caught.value)
    assert "repetition" in str(caught.value)
    assert counts(engine) == [0, 0, 0, 0]


def test_documents_may_refer_to_what_was_applied_before(engine: Engine) -> None:
    app, task, slo = EXAMPLE.split("---\n")
    apply(engine, app)
    apply(engine, task)
    apply(engine, slo)
    assert counts(engine) == [1, 1, 1, 0]


def test_an_slo_on_a_quantity_without_a_pass_rule_is_refused(engine: Engine) -> None:
    on_length = EXAMPLE.replace("evaluator: refusal", "evaluator: length")
    with pytest.raises(BlindSloError, match=r"length measures a quantity.*atLeast"):
        apply(engine, on_length)
    assert counts(engine) == [0, 0, 0, 0]


def test_a_task_may_not_lose_the_evaluator_of_a_stored_slo(engine: Engine) -> None:
    apply(engine, EXAMPLE)
    _, task, _ = EXAMPLE.split("---\n")
    with pytest.raises(BlindSloError, match=r"answers-given.*has no evaluator refusal any more"):
        apply(engine, task.replace("{name: refusal}, ", ""))


def test_a_broken_contract_is_named_where_it_stands(engine: Engine) -> None:
    app, task, _ = EXAMPLE.split("---\n")
    broken = (
        task.replace("spec:\n", "spec:\n  contract: {type: objekt}\n", 1)
        .replace("{name: length}", "{name: contract}")
        .replace("drift: [length]", "drift: []")
    )
    with pytest.raises(InvalidDeclarationError) as caught:
        apply(engine, app, broken)
    assert "spec.contract" in str(caught.value)
