"""SLO documents to SLOs: one for each objective, and one of all where each has its own indicator.

Source of what several objectives mean: the OpenSLO specification, v1, "Composite SLO".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from service.domain.alert_windows import Catalogue, standard_catalogue
from service.domain.budget_windows import Calendar
from service.domain.indicators import Indicator, Member
from service.domain.slos import Consequence, InvalidSloError, Slo
from service.specs.cross_checks import Declared
from service.specs.declarations import SloSpec
from service.specs.documents import Document, Findings
from service.specs.openslo_shapes import (
    IndicatorBody,
    ObjectiveBody,
    SloBody,
    SloDocument,
)
from service.specs.problems import Path
from service.specs.propose_tiers import POLICIES, refuse_unreachable
from service.specs.read_indicators import ReadIndicator, read_indicator
from service.specs.read_policy import DISPLAY_NAME, read_policy
from service.specs.read_tiers import read_tiers
from service.specs.read_windows import read_budgeting, read_window
from service.specs.references import Objects, Placed

_LONGEST_NAME = 63
_LONGEST_TITLE = 200


def read_slos(
    document: Document,
    shape: SloDocument,
    objects: Objects,
    channels: frozenset[str],
    findings: Findings,
) -> list[Declared]:
    """The SLOs of a document; none: it has faults, which are noted."""
    body, before = shape.spec, len(findings.problems)
    window = read_window(document, body, findings)
    policy = read_policy(document, shape, findings)
    length = window[0] if window else timedelta(days=28)
    own = read_tiers(document, body.alert_policies, length, objects, channels, findings)
    title = shape.metadata.annotations.get(DISPLAY_NAME) or shape.metadata.display_name
    reader = _Reader(document, shape, title or shape.metadata.name, objects, findings)
    indicators = list(reader.read_indicators())
    complete = [each for each in indicators if each is not None]
    if window is None or policy is None or own is None or len(complete) < len(indicators):
        return []
    frame = _Frame(*window, own.tiers or standard_catalogue(length), policy)
    found = reader.build(complete, frame) if len(findings.problems) == before else []
    if found and len(findings.problems) == before:
        # All have the same tiers: what can fire for the lowest can fire for the others.
        lowest = min((each.spec.slo for each in found), key=lambda slo: slo.objective)
        refuse_unreachable(document, lowest, findings)
    return list(found) if len(findings.problems) == before else []


@dataclass(frozen=True, slots=True)
class _Frame:
    """What all SLOs of a document have in common."""

    window: timedelta
    calendar: Calendar | None
    tiers: Catalogue
    policy: tuple[Consequence, ...]


@dataclass(frozen=True, slots=True)
class _Slo(Declared):
    """A declared SLO, known as one."""

    spec: SloSpec


@dataclass(frozen=True, slots=True)
class _Reader:
    document: Document
    shape: SloDocument
    title: str
    objects: Objects
    findings: Findings

    @property
    def body(self) -> SloBody:
        return self.shape.spec

    def refuse(self, path: Path, allowed: str, found: str | None = None) -> None:
        self.findings.refuse(self.document, path, allowed, found)

    def objective(self, index: int) -> Placed[ObjectiveBody]:
        path = ("spec", "objectives", index)
        return Placed(self.document, path, self.body.objectives[index])

    @property
    def is_of_parts(self) -> bool:
        """Whether each objective has an indicator of its own."""
        return any(
            each.indicator is not None or each.indicator_ref is not None
            for each in self.body.objectives
        )

    def read_indicators(self) -> Iterator[ReadIndicator | None]:
        """One for each objective."""
        is_shared = self.body.indicator is not None or self.body.indicator_ref is not None
        if is_shared and self.is_of_parts:
            told = "allowed: an indicator here, or one in each of the objectives, not both"
            self.refuse(("spec", "indicator"), told, "an indicator here and in objectives")
        elif self.body.indicator is not None and self.body.indicator_ref is not None:
            told = "allowed: one of indicator and indicatorRef, not both"
            self.refuse(("spec", "indicatorRef"), told)
        elif not is_shared and not self.is_of_parts:
            self.refuse(("spec", "indicator"), "this field is required, or indicatorRef")
        else:
            for index in range(len(self.body.objectives)):
                yield self._read_indicator(index)

    def _read_indicator(self, index: int) -> ReadIndicator | None:
        objective = self.objective(index)
        here: Path = objective.path if self.is_of_parts else ("spec",)
        holder = objective.body if self.is_of_parts else self.body
        if holder.indicator is not None:
            path = (*here, "indicator", "spec")
            placed = Placed(self.document, path, holder.indicator.spec)
            return read_indicator(placed, objective, self.objects, self.findings)
        if holder.indicator_ref is None:
            told = "this field is required where other objectives have an indicator"
            self.refuse((*here, "indicator"), told)
            return None
        at = self.document, (*here, "indicatorRef")
        name = holder.indicator_ref
        found = self.objects.resolve("SLI", name, IndicatorBody, at, self.findings)
        if found is None:
            return None
        return read_indicator(found, objective, self.objects, self.findings)

    def build(self, indicators: list[ReadIndicator], frame: _Frame) -> list[_Slo]:
        """An SLO for each objective, and one of them all if they have indicators of their own."""
        names = list(self._name_all())
        if len(set(names)) < len(names):
            told = "allowed: a displayName of its own for each objective"
            self.refuse(("spec", "objectives"), told, f"{len(names)} with the same names")
            return []
        is_composite = self.is_of_parts and len(names) > 1
        # Of a composite the whole has consequences, not each part.
        inner = replace(frame, policy=()) if is_composite else frame
        built = [
            self._build_one(index, name, indicators[index], inner)
            for index, name in enumerate(names)
        ]
        parts = [each for each in built if each is not None]
        if not is_composite:
            self._ignore_weights()
        elif len(parts) == len(names):
            return [*parts, self._compose(parts, frame)]
        return parts

    def _name_all(self) -> Iterator[str]:
        name, objectives = self.shape.metadata.name, self.body.objectives
        for number, objective in enumerate(objectives, start=1):
            label = re.sub(r"[^a-z0-9]+", "-", (objective.display_name or "").casefold())
            derived = f"{name}-{label.strip('-') or number}" if len(objectives) > 1 else name
            if len(derived) > _LONGEST_NAME:
                told = f"allowed: shorter names; the SLO of this objective would be {derived!r}"
                self.refuse(("spec", "objectives", number - 1, "displayName"), told)
            yield derived

    def _title(self, index: int) -> str:
        objectives = self.body.objectives
        if len(objectives) == 1:
            return self.title
        return f"{self.title}: {objectives[index].display_name or index + 1}"[:_LONGEST_TITLE]

    def _build_one(self, index: int, name: str, read: ReadIndicator, frame: _Frame) -> _Slo | None:
        objective = self.objective(index)
        kind = read.indicator.kind
        budgeting = read_budgeting(self.body, objective, kind, self.findings)
        if budgeting is None:
            return None
        # By what a stand-in is refused for as well, the tiers cannot be.
        plain = Indicator("availability", "any", "any")
        path = POLICIES
        try:
            slo = Slo(
                name,
                self.body.service,
                plain,
                objective.body.objective,
                frame.window,
                frame.tiers,
                frame.calendar,
                policy=frame.policy,
            )
            path = objective.path
            slo = replace(slo, indicator=read.indicator, budgeting=budgeting)
        except InvalidSloError as error:
            self.refuse(path, str(error), "an SLO that cannot be")
            return None
        return _Slo(self.document, SloSpec(slo, self._title(index)), read.source)

    def _compose(self, parts: list[_Slo], frame: _Frame) -> _Slo:
        weights = [each.composite_weight or 1.0 for each in self.body.objectives]
        slos = [part.spec.slo for part in parts]
        weighted = sum(weight * slo.objective for weight, slo in zip(weights, slos, strict=True))
        objective = round(weighted / sum(weights), 12)
        told = (
            f"assumed: {objective:g} of all together, the weighted mean of the targets, and an "
            "SLO for each; to say another target, declare a composite of SLOs (members)"
        )
        shown = f"{len(parts)} objectives with indicators of their own"
        self.findings.assume(self.document, ("spec", "objectives"), told, shown)
        members = tuple(Member(slo.name, weight) for slo, weight in zip(slos, weights, strict=True))
        indicator = Indicator("composite", "", slos[0].indicator.environment, members=members)
        name, app = self.shape.metadata.name, self.body.service
        slo = Slo(name, app, indicator, objective, frame.window, frame.tiers, frame.calendar)
        return _Slo(self.document, SloSpec(replace(slo, policy=frame.policy), self.title))

    def _ignore_weights(self) -> None:
        for index, objective in enumerate(self.body.objectives):
            if objective.composite_weight is not None:
                told = "assumed: nothing; weights go with indicators in each of the objectives"
                path: Path = ("spec", "objectives", index, "compositeWeight")
                self.findings.assume(self.document, path, told)
