"""Metrics of OpenSLO to indicators: what is counted, and what makes one of it good."""

from dataclasses import dataclass

from service.domain.indicators import Indicator, IndicatorKind, InvalidIndicatorError, Member
from service.specs.check_shapes import check_shape
from service.specs.documents import Document, Findings
from service.specs.measures import SOURCE, Measure, alias
from service.specs.openslo_shapes import (
    DataSourceBody,
    IndicatorBody,
    Metric,
    ObjectiveBody,
    RatioMetric,
)
from service.specs.problems import Path
from service.specs.read_thresholds import read_threshold
from service.specs.references import Objects, Placed

CONTRACT_EVALUATOR = "contract"
_CRITERIA = ("outcome", "contract", "latency_ms", "signals")
_SELECTORS = ("task", "environment", "release", "model", "prompt_version")
_OF_RAW = ("measure", "members")


@dataclass(frozen=True, slots=True)
class ReadIndicator:
    """An indicator, and the metric's `spec` that it was read from."""

    indicator: Indicator
    source: Placed[Measure]


def read_indicator(
    placed: Placed[IndicatorBody],
    objective: Placed[ObjectiveBody],
    objects: Objects,
    findings: Findings,
) -> ReadIndicator | None:
    """The indicator of one objective; None: it has faults, which are noted."""
    reader = _Reader(placed.document, objects, findings)
    path = placed.path
    if placed.body.threshold_metric is not None:
        metric = placed.body.threshold_metric
        source = reader.measure_of(metric, (*path, "thresholdMetric"))
        if source is None:
            return None
        return reader.make(source, read_threshold(source, objective, findings))
    for field in ("op", "value"):
        if getattr(objective.body, field) is not None:
            told = f"assumed: nothing; {field} goes with a thresholdMetric, and this is a ratio"
            findings.assume(objective.document, objective.below(field), told)
    ratio = placed.body.ratio_metric
    assert ratio is not None  # noqa: S101 - the shape has exactly one of the two
    path = (*path, "ratioMetric")
    if ratio.raw is not None:
        source = reader.measure_of(ratio.raw, (*path, "raw"))
        return None if source is None else reader.make(source, reader.read_raw(source, ratio, path))
    if ratio.counter is False:
        told = "assumed: true; our metrics are counts"
        findings.assume(placed.document, (*path, "counter"), told)
    return reader.read_ratio(ratio, path)


@dataclass(frozen=True, slots=True)
class _Reader:
    document: Document
    objects: Objects
    findings: Findings

    def refuse(self, path: Path, allowed: str, found: str | None = None) -> None:
        self.findings.refuse(self.document, path, allowed, found)

    def measure_of(self, metric: Metric, path: Path) -> Placed[Measure] | None:
        """What our own data source understands of a metric."""
        source, path = metric.metric_source, (*path, "metricSource")
        kind = source.type
        if source.metric_source_ref not in (None, SOURCE):
            at = self.document, (*path, "metricSourceRef")
            name = source.metric_source_ref or ""
            found = self.objects.resolve("DataSource", name, DataSourceBody, at, self.findings)
            if found is None:
                return None
            kind = kind or found.body.type
        elif source.metric_source_ref == SOURCE:
            kind = kind or SOURCE
        if (kind or "").casefold() != SOURCE:
            told = f"allowed: {SOURCE}; the calls and scores that apps send are what is counted"
            self.refuse((*path, "type"), told)
            return None
        path = (*path, "spec")
        measure = check_shape(self.document, path, source.spec, Measure, self.findings)
        return None if measure is None else Placed(self.document, path, measure)

    def make(
        self, source: Placed[Measure], kind: tuple[IndicatorKind, float | None] | None
    ) -> ReadIndicator | None:
        if kind is None:
            return None
        body = source.body
        of_scores = kind[0] in ("quality", "mean")
        evaluator = CONTRACT_EVALUATOR if body.contract is not None else body.evaluator
        try:
            indicator = Indicator(
                kind[0],
                body.task or "",
                body.environment,
                evaluator if of_scores else None,
                kind[1],
                tuple(body.signals or ()),
                body.filters,
                tuple(Member(part.slo, part.weight) for part in body.members or ()),
            )
        except InvalidIndicatorError as error:
            self.refuse(source.path, str(error), "an indicator that cannot be")
            return None
        return ReadIndicator(indicator, source)

    def read_raw(
        self, source: Placed[Measure], ratio: RatioMetric, path: Path
    ) -> tuple[IndicatorKind, None] | None:
        if ratio.raw_type == "failure":
            self.refuse((*path, "rawType"), "allowed: success; our ratios are of what is good")
            return None
        body = source.body
        if body.members is not None:
            others = body.given(*_CRITERIA, "evaluator", "verdict", "measure", "task")
            for name in (*others, *body.given("release", "model", "prompt_version")):
                self.refuse(source.below(alias(name)), "allowed: members alone (a composite)")
                return None
            return "composite", None
        if body.measure != "meanScore" or body.evaluator is None or body.task is None:
            told = (
                "allowed of a raw ratio: task, evaluator and measure: meanScore (the mean of "
                "scores), or members (a composite)"
            )
            self.refuse(source.path, told, "neither")
            return None
        return ("mean", None) if self._has_none_of(source, (*_CRITERIA, "verdict")) else None

    def _has_none_of(self, source: Placed[Measure], names: tuple[str, ...]) -> bool:
        given = source.body.given(*names)
        for name in given:
            self.refuse(source.below(alias(name)), f"drop {alias(name)}; it says nothing here")
        return not given

    def read_ratio(self, ratio: RatioMetric, path: Path) -> ReadIndicator | None:
        name = "good" if ratio.good is not None else "bad"
        side, whole = ratio.good or ratio.bad, ratio.total
        assert side is not None and whole is not None  # noqa: S101, PT018 - the shape has both
        one = self.measure_of(side, (*path, name))
        total = self.measure_of(whole, (*path, "total"))
        if one is None or total is None:
            return None
        before = len(self.findings.problems)
        kind = self._classify(one, is_good=name == "good")
        self._compare(one, total, name)
        if len(self.findings.problems) > before:
            return None
        return self.make(one, kind)

    def _classify(
        self, side: Placed[Measure], *, is_good: bool
    ) -> tuple[IndicatorKind, float | None] | None:
        """The kind of indicator, by what makes one good or bad, and its limit."""
        body, given = side.body, side.body.given(*_CRITERIA)
        self._has_none_of(side, _OF_RAW)
        if body.task is None:
            self.refuse(side.below("task"), "this field is required")
        if body.evaluator is not None and given:
            told = "allowed: evaluator (quality) or outcome (availability), not both"
            if given != ["outcome"]:
                told = f"allowed: evaluator (quality) or {alias(given[0])}, not both"
            self.refuse(side.below(alias(given[0])), told)
        elif len(given) > 1:
            told = f"allowed: one of {', '.join(alias(name) for name in given)}"
            self.refuse(side.below(alias(given[1])), told)
        elif body.evaluator is None and not given:
            self.refuse(side.path, _CHOICES[is_good], "neither evaluator nor outcome")
        verdict = "pass" if is_good else "fail"
        if (body.evaluator is None) != (body.verdict is None):
            told = f"evaluator and verdict: {verdict} go together"
            self.refuse(side.below("verdict"), told)
        return self._judge(side, is_good)

    def _judge(
        self, side: Placed[Measure], is_good: bool
    ) -> tuple[IndicatorKind, float | None] | None:
        body = side.body
        for name, of_good, of_bad in (
            ("outcome", "ok", "error"),
            ("verdict", "pass", "fail"),
            ("contract", "valid", "invalid"),
        ):
            value, wanted = getattr(body, name), of_good if is_good else of_bad
            if value not in (None, wanted):
                where = "good" if is_good else "bad"
                self.refuse(side.below(name), f"allowed on {where}: {wanted}")
        if body.signals is not None and is_good:
            self.refuse(side.below("signals"), "they speak against an answer: put them on bad")
        if body.latency_ms is not None:
            limit = body.latency_ms.at_most if is_good else body.latency_ms.above
            if limit is None:
                told = "allowed on good: atMost" if is_good else "allowed on bad: above"
                self.refuse(side.below("latencyMs"), told)
            return "latency", limit
        if body.signals is not None:
            return "signals", None
        return ("availability", None) if body.outcome is not None else ("quality", None)

    def _compare(self, side: Placed[Measure], total: Placed[Measure], name: str) -> None:
        """Total counts all of what one side counts some of."""
        for field in total.body.given("verdict", *_CRITERIA, *_OF_RAW):
            told = f"total counts all of them; drop {alias(field)}"
            self.refuse(total.below(alias(field)), told)
        fields = _SELECTORS if side.body.contract is not None else (*_SELECTORS, "evaluator")
        for field in fields:
            same = getattr(side.body, field)
            if getattr(total.body, field) != same:
                known = f"allowed: the same as on {name}, {same!r}" if same else None
                self.refuse(total.below(alias(field)), known or f"drop {alias(field)}")
        if side.body.contract is not None and total.body.evaluator not in (
            None,
            CONTRACT_EVALUATOR,
        ):
            self.refuse(total.below("evaluator"), f"allowed: {CONTRACT_EVALUATOR}, or none")


_CHOICES = {
    True: "allowed: evaluator and verdict: pass (quality), contract: valid, outcome: ok "
    "(availability), or latencyMs: {atMost: ...}",
    False: "allowed: evaluator and verdict: fail (quality), contract: invalid, outcome: error "
    "(availability), latencyMs: {above: ...}, or signals: [...]",
}
