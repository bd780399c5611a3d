"""YAML texts in, declarations out; every fault of every document in one error."""

from collections.abc import Iterable, Mapping

from service.specs.check_shapes import check_shape
from service.specs.cross_checks import (
    CheckEvaluator,
    Declared,
    Spec,
    check_together,
    presume,
)
from service.specs.declarations import (
    AppSpec,
    ChannelSpec,
    Declarations,
    EvaluatorSpec,
    Known,
    PassBounds,
    SloSpec,
    TaskSpec,
)
from service.specs.problems import Document, InvalidDeclarationError, Problem
from service.specs.read_documents import read_documents
from service.specs.read_slos import read_slo
from service.specs.shapes import (
    AppDocument,
    ChannelDocument,
    DocumentShape,
    EvaluatorBody,
    SloDocument,
    TaskDocument,
)


def parse_declarations(
    files: Iterable[tuple[str, str]],
    environment: Mapping[str, str],
    known: Known | None = None,
    check_evaluator: CheckEvaluator | None = None,
) -> Declarations:
    """What these (file name, text) declare, with `${VAR}` from `environment`.

    `known` is what documents may refer to beside each other. `check_evaluator` says what is wrong
    with an evaluator's name or configuration; without it they are taken as they are. Raises
    InvalidDeclarationError with every fault that was found.
    """
    documents, problems = read_documents(files, environment)
    faulty = {(problem.file, problem.document) for problem in problems}
    torn = faulty - {(document.file, document.number) for document in documents}
    declared: list[Declared] = []
    broken: list[Document] = []
    for document in documents:
        if (document.file, document.number) in faulty:
            broken.append(document)
            continue
        spec = _read(document)
        if isinstance(spec, list):
            problems += spec
            broken.append(document)
        else:
            declared.append(Declared(document, spec))
    # What a file that is no YAML would have declared, nobody knows: references wait for it.
    if not torn:
        names = presume(broken, known or Known())
        problems += check_together(declared, names, check_evaluator)
    if problems:
        problems.sort(key=lambda problem: (problem.file, problem.document))
        raise InvalidDeclarationError(problems)
    return _gather([each.spec for each in declared])


def _read(document: Document) -> Spec | list[Problem]:
    shape = check_shape(document)
    if isinstance(shape, list):
        return shape
    if isinstance(shape, SloDocument):
        return read_slo(document, shape)
    return _read_own_kind(shape)


def _read_own_kind(shape: DocumentShape) -> Spec:
    name = shape.metadata.name
    match shape:
        case AppDocument(spec=body):
            return AppSpec(
                name=name,
                display_name=shape.metadata.display_name or name,
                team=body.team,
                channels=tuple(body.channels),
                simulated=body.simulated,
                sample_rate=body.sample_rate,
                samples_retention_days=body.retention.samples_days if body.retention else None,
            )
        case TaskDocument(spec=body):
            evaluators = tuple(_read_evaluator(evaluator) for evaluator in body.evaluators)
            drift = tuple(body.drift)
            return TaskSpec(name, body.app, body.contract, evaluators, drift, body.sample_rate)
        case ChannelDocument(spec=body):
            return ChannelSpec(name, body.type, body.url, body.secret)
    raise AssertionError(f"a kind without a reader: {type(shape).__name__}")


def _read_evaluator(body: EvaluatorBody) -> EvaluatorSpec:
    rule = body.passes
    passes = None if rule is None else PassBounds(rule.at_least, rule.at_most)
    return EvaluatorSpec(body.name, body.config, passes, body.reported)


def _gather(specs: list[Spec]) -> Declarations:
    return Declarations(
        apps=tuple(spec for spec in specs if isinstance(spec, AppSpec)),
        tasks=tuple(spec for spec in specs if isinstance(spec, TaskSpec)),
        channels=tuple(spec for spec in specs if isinstance(spec, ChannelSpec)),
        slos=tuple(spec for spec in specs if isinstance(spec, SloSpec)),
    )
