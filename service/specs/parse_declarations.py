"""YAML texts in, declarations out; every fault of every document in one error."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from service.specs.check_shapes import check_document
from service.specs.cross_checks import (
    CheckEvaluator,
    Declared,
    Names,
    Spec,
    check_together,
    collect_names,
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
from service.specs.documents import Document, Findings
from service.specs.openslo_shapes import ObjectDocument, SloDocument
from service.specs.problems import Assumption, InvalidDeclarationError
from service.specs.read_documents import read_documents
from service.specs.read_slos import read_slos
from service.specs.references import collect_objects
from service.specs.shapes import (
    AppDocument,
    ChannelDocument,
    DocumentShape,
    EvaluatorBody,
    TaskDocument,
)


def parse_declarations(
    files: Iterable[tuple[str, str]],
    environment: Mapping[str, str],
    known: Known | None = None,
    check_evaluator: CheckEvaluator | None = None,
    *,
    strict: bool = False,
) -> Declarations:
    """What these (file name, text) declare, with `${VAR}` from `environment`.

    `known` is what documents may refer to beside each other. `check_evaluator` says what is wrong
    with an evaluator's name or configuration; without it they are taken as they are. What was
    assumed of OpenSLO documents is told as `warnings`; `strict`: each of them is a fault. Raises
    InvalidDeclarationError with every fault that was found.
    """
    known = known or Known()
    read = read_documents(files, environment)
    findings = Findings(list(read.problems))
    shaped = _Shaped(broken=list(read.broken))
    for document in read.documents:
        shaped.sort_in(*check_document(document, findings))
    declared = _read_all(shaped, known, read.is_torn, findings)
    names = collect_names(declared, shaped.broken, known)
    # What a file that is no YAML would have declared, nobody knows: references wait for it.
    if not read.is_torn:
        findings.problems += check_together(declared, names, check_evaluator)
        _note_services(shaped, names, findings)
    if strict:
        findings.problems += (each.as_problem() for each in findings.assumptions)
    if findings.problems:
        findings.problems.sort(key=lambda problem: (problem.file, problem.document, problem.line))
        raise InvalidDeclarationError(findings.problems)
    return _gather([each.spec for each in declared], findings.assumptions)


@dataclass(slots=True)
class _Shaped:
    """Documents by what they are for."""

    own: list[tuple[Document, DocumentShape]] = field(default_factory=list)
    slos: list[tuple[Document, SloDocument]] = field(default_factory=list)
    objects: list[tuple[Document, ObjectDocument]] = field(default_factory=list)
    broken: list[Document] = field(default_factory=list)

    def sort_in(self, document: Document, shape: DocumentShape | None) -> None:
        match shape:
            case None:
                self.broken.append(document)
            case SloDocument():
                self.slos.append((document, shape))
            case ObjectDocument():
                self.objects.append((document, shape))
            case _:
                self.own.append((document, shape))


def _read_all(shaped: _Shaped, known: Known, is_torn: bool, findings: Findings) -> list[Declared]:
    declared = [Declared(document, _read_own_kind(shape)) for document, shape in shaped.own]
    objects = collect_objects(shaped.objects, shaped.broken, is_torn, findings)
    channels = collect_names(declared, shaped.broken, known).channels
    for document, shape in shaped.slos:
        found = read_slos(document, shape, objects, channels, findings)
        declared += found
        if not found:
            shaped.broken.append(document)
    return declared


def _note_services(shaped: _Shaped, names: Names, findings: Findings) -> None:
    """An OpenSLO Service is an app here; only the App says who answers for it."""
    for document, shape in shaped.objects:
        if shape.kind == "Service" and shape.metadata.name not in names.apps:
            told = (
                "assumed: nothing; a service is an app here, and a document of kind App with its "
                "name and team declares it"
            )
            findings.assume(document, ("metadata", "name"), told)


def _read_own_kind(shape: DocumentShape) -> Spec:
    match shape:
        case AppDocument(metadata=metadata, spec=body):
            return AppSpec(
                name=metadata.name,
                display_name=metadata.display_name or metadata.name,
                team=body.team,
                channels=tuple(body.channels),
                simulated=body.simulated,
                sample_rate=body.sample_rate,
                samples_retention_days=body.retention.samples_days if body.retention else None,
            )
        case TaskDocument(metadata=metadata, spec=body):
            evaluators = tuple(_read_evaluator(evaluator) for evaluator in body.evaluators)
            drift, rate = tuple(body.drift), body.sample_rate
            return TaskSpec(metadata.name, body.app, body.contract, evaluators, drift, rate)
        case ChannelDocument(metadata=metadata, spec=body):
            return ChannelSpec(metadata.name, body.type, body.url, body.secret)
    raise AssertionError(f"a kind without a reader: {type(shape).__name__}")


def _read_evaluator(body: EvaluatorBody) -> EvaluatorSpec:
    rule = body.passes
    passes = None if rule is None else PassBounds(rule.at_least, rule.at_most)
    return EvaluatorSpec(body.name, body.config, passes, body.reported)


def _gather(specs: list[Spec], assumptions: list[Assumption]) -> Declarations:
    return Declarations(
        apps=tuple(spec for spec in specs if isinstance(spec, AppSpec)),
        tasks=tuple(spec for spec in specs if isinstance(spec, TaskSpec)),
        channels=tuple(spec for spec in specs if isinstance(spec, ChannelSpec)),
        slos=tuple(spec for spec in specs if isinstance(spec, SloSpec)),
        warnings=tuple(assumptions),
    )
