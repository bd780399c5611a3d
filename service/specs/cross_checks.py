"""What only shows between documents: names that are taken twice, names that nobody has."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from service.domain.indicators import Member
from service.specs.declarations import (
    AppSpec,
    ChannelSpec,
    EvaluatorSpec,
    Known,
    SloSpec,
    TaskSpec,
)
from service.specs.documents import Document
from service.specs.measures import Measure
from service.specs.problems import Path, Problem, list_allowed
from service.specs.references import Placed

Spec = AppSpec | TaskSpec | ChannelSpec | SloSpec

CheckEvaluator = Callable[[EvaluatorSpec, TaskSpec], Iterable[tuple[Path, str]]]
"""Answers what is wrong with an evaluator of a task: a path below it (`contract`: below
the task's spec), and what is allowed."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A specification and the document that it stands in; of an SLO, the metric it counts."""

    document: Document
    spec: Spec
    source: Placed[Measure] | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """What may be referred to: declared, known, or in a document with faults.

    slos: by (app, name), whether it is a composite.
    """

    apps: frozenset[str]
    channels: frozenset[str]
    evaluators: Mapping[tuple[str, str], frozenset[str]]
    slos: Mapping[tuple[str, str], bool]


def collect_names(declared: Iterable[Declared], broken: Iterable[Document], known: Known) -> Names:
    """The names of all of these. A reference to what is faulty itself is no further fault."""
    specs = [each.spec for each in declared]
    presumed = _presume(broken, known)
    # A task that is declared again replaces the known one, evaluators and all.
    evaluators = {
        (spec.app, spec.name): frozenset(evaluator.name for evaluator in spec.evaluators)
        for spec in specs
        if isinstance(spec, TaskSpec)
    }
    slos = {
        (spec.slo.app, spec.slo.name): spec.slo.indicator.kind == "composite"
        for spec in specs
        if isinstance(spec, SloSpec)
    }
    return Names(
        presumed.apps | {spec.name for spec in specs if isinstance(spec, AppSpec)},
        presumed.channels | {spec.name for spec in specs if isinstance(spec, ChannelSpec)},
        {**presumed.evaluators, **evaluators},
        {**presumed.slos, **slos},
    )


def _presume(broken: Iterable[Document], known: Known) -> Names:
    apps, channels, evaluators = set(known.apps), set(known.channels), dict(known.evaluators)
    slos = {key: slo.indicator.kind == "composite" for key, slo in known.slos.items()}
    for document in broken:
        match document.content:
            case {"kind": "App", "metadata": {"name": str(name)}}:
                apps.add(name)
            case {"kind": "Channel", "metadata": {"name": str(name)}}:
                channels.add(name)
            case {"kind": "SLO", "metadata": {"name": str(name)}, "spec": {"service": str(app)}}:
                slos[app, name] = False
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
    return Names(frozenset(apps), frozenset(channels), evaluators, slos)


def check_together(
    declared: Iterable[Declared], names: Names, check_evaluator: CheckEvaluator | None
) -> Iterator[Problem]:
    """Faults between documents, and between them and what is known already."""
    declared = list(declared)
    yield from _find_duplicates(declared)
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
                yield from _check_slo(each, spec, names)


def _need(
    document: Document, path: Path, kind: str, name: str, names: Iterable[str], advice: str = ""
) -> Iterator[Problem]:
    names = sorted(names)
    if name not in names:
        allowed = list_allowed(names, name) + advice
        yield document.problem(path, allowed, f"no {kind} named {name!r}")


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


_ADVICE = "; an app is declared by a document of kind App, with its team"


def _check_slo(each: Declared, spec: SloSpec, names: Names) -> Iterator[Problem]:
    app, indicator = spec.slo.app, spec.slo.indicator
    faults = list(_need(each.document, ("spec", "service"), "app", app, names.apps, advice=_ADVICE))
    yield from faults
    source = each.source
    if faults or source is None:
        return
    if indicator.members:
        yield from _check_members(source, app, spec.slo.name, indicator.members, names)
        return
    document = source.document
    tasks = [task for owner, task in names.evaluators if owner == app]
    faults = list(_need(document, source.below("task"), f"task of {app}", indicator.task, tasks))
    yield from faults
    if not faults and indicator.evaluator is not None:
        evaluators = names.evaluators[app, indicator.task]
        what = f"evaluator of task {indicator.task}"
        field = "evaluator" if source.body.evaluator is not None else "contract"
        path = source.below(field)
        yield from _need(document, path, what, indicator.evaluator, evaluators)


def _check_members(
    source: Placed[Measure], app: str, name: str, members: Iterable[Member], names: Names
) -> Iterator[Problem]:
    known = [slo for owner, slo in names.slos if owner == app and slo != name]
    for index, member in enumerate(members):
        path = source.below("members", index, "slo")
        yield from _need(source.document, path, f"other SLO of {app}", member.slo, known)
        if member.slo in known and names.slos[app, member.slo]:
            allowed = "allowed: an SLO that is no composite itself; name its parts"
            yield source.document.problem(path, allowed)
