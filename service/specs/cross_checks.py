"""What only shows between documents: names that are taken twice, names that nobody has."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from service.specs.declarations import (
    AppSpec,
    ChannelSpec,
    EvaluatorSpec,
    Known,
    SloSpec,
    TaskSpec,
)
from service.specs.problems import Document, Path, Problem, list_allowed
from service.specs.read_slos import GOOD

Spec = AppSpec | TaskSpec | ChannelSpec | SloSpec

CheckEvaluator = Callable[[EvaluatorSpec, TaskSpec], Iterable[tuple[Path, str]]]
"""Answers what is wrong with an evaluator of a task: a path below it (`contract`: below
the task's spec), and what is allowed."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A specification and the document that it stands in."""

    document: Document
    spec: Spec


def presume(broken: Iterable[Document], known: Known) -> Known:
    """The names of documents that hold faults: a reference to them is no further fault."""
    apps, channels, evaluators = set(known.apps), set(known.channels), dict(known.evaluators)
    for document in broken:
        match document.content:
            case {"kind": "App", "metadata": {"name": str(name)}}:
                apps.add(name)
            case {"kind": "Channel", "metadata": {"name": str(name)}}:
                channels.add(name)
            case {
                "kind": "Task",
                "metadata": {"name": str(name)},
                "spec": {"app": str(app), **body},
            }:
                listed = body.get("evaluators")
                chosen = listed if isinstance(listed, list) else []
                evaluators[app, name] = frozenset(
                    str(choice.get("name")) for choice in chosen if isinstance(choice, Mapping)
                )
    return Known(frozenset(apps), frozenset(channels), evaluators)


def check_together(
    declared: Iterable[Declared], known: Known, check_evaluator: CheckEvaluator | None
) -> Iterator[Problem]:
    """Faults between documents, and between them and what is known already."""
    declared = list(declared)
    yield from _find_duplicates(declared)
    names = _Names.of(declared, known)
    for each in declared:
        document, spec = each.document, each.spec
        match spec:
            case AppSpec():
                for index, channel in enumerate(spec.channels):
                    path = ("spec", "channels", index)
                    yield from _need(document, path, "channel", channel, names.channels)
            case TaskSpec():
                yield from _need(document, ("spec", "app"), "app", spec.app, names.apps)
                yield from _check_task(document, spec, check_evaluator)
            case SloSpec():
                yield from _check_slo(document, spec, names)


@dataclass(frozen=True, slots=True)
class _Names:
    apps: frozenset[str]
    channels: frozenset[str]
    evaluators: Mapping[tuple[str, str], frozenset[str]]

    @classmethod
    def of(cls, declared: Iterable[Declared], known: Known) -> "_Names":
        specs = [each.spec for each in declared]
        # A task that is declared again replaces the known one, evaluators and all.
        evaluators = {
            (spec.app, spec.name): frozenset(evaluator.name for evaluator in spec.evaluators)
            for spec in specs
            if isinstance(spec, TaskSpec)
        }
        return cls(
            known.apps | {spec.name for spec in specs if isinstance(spec, AppSpec)},
            known.channels | {spec.name for spec in specs if isinstance(spec, ChannelSpec)},
            {**known.evaluators, **evaluators},
        )


def _need(
    document: Document, path: Path, kind: str, name: str, names: Iterable[str]
) -> Iterator[Problem]:
    names = sorted(names)
    if name not in names:
        yield document.problem(path, list_allowed(names, name), f"no {kind} named {name!r}")


def _identity(spec: Spec) -> tuple[str, ...]:
    match spec:
        case TaskSpec():
            return "task", spec.app, spec.name
        case SloSpec():
            return "SLO", spec.slo.app, spec.slo.name
        case AppSpec():
            return "app", spec.name
        case ChannelSpec():
            return "channel", spec.name


def _find_duplicates(declared: Iterable[Declared]) -> Iterator[Problem]:
    first: dict[tuple[str, ...], Document] = {}
    for each in declared:
        identity = _identity(each.spec)
        before = first.setdefault(identity, each.document)
        if before is not each.document:
            kind, name = identity[0], identity[-1]
            allowed = f"it is declared before, in {before.file}, document {before.number}"
            yield each.document.problem(("metadata", "name"), allowed, f"a second {kind} {name!r}")


def _check_task(
    document: Document, task: TaskSpec, check_evaluator: CheckEvaluator | None
) -> Iterator[Problem]:
    names = [evaluator.name for evaluator in task.evaluators]
    seen = Counter[str]()
    for index, evaluator in enumerate(task.evaluators):
        path: Path = ("spec", "evaluators", index)
        seen[evaluator.name] += 1
        if seen[evaluator.name] > 1:
            allowed = "allowed: each evaluator once per task"
            yield document.problem((*path, "name"), allowed)
        for below, allowed in check_evaluator(evaluator, task) if check_evaluator else ():
            # The contract is the task's, not the evaluator's.
            above = ("spec",) if below[:1] == ("contract",) else path
            yield document.problem((*above, *below), allowed)
    reported = {evaluator.name for evaluator in task.evaluators if evaluator.reported}
    for index, name in enumerate(task.drift):
        path = ("spec", "drift", index)
        yield from _need(document, path, "evaluator of this task", name, names)
        if name in reported:
            allowed = "allowed: evaluators that score here; of reported ones only SLOs are judged"
            yield document.problem(path, allowed)


def _check_slo(document: Document, spec: SloSpec, names: _Names) -> Iterator[Problem]:
    app, indicator = spec.slo.app, spec.slo.indicator
    faults = list(_need(document, ("spec", "service"), "app", app, names.apps))
    if faults:
        yield from faults
        return
    tasks = [task for owner, task in names.evaluators if owner == app]
    faults = list(_need(document, (*GOOD, "task"), f"task of {app}", indicator.task, tasks))
    yield from faults
    if not faults and indicator.evaluator is not None:
        evaluators = names.evaluators[app, indicator.task]
        what = f"evaluator of task {indicator.task}"
        yield from _need(document, (*GOOD, "evaluator"), what, indicator.evaluator, evaluators)
