"""Alert policies of OpenSLO to alert tiers, and what of them is otherwise here."""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from service.domain.alert_windows import AlertTier, Catalogue, Severity
from service.specs.alert_shapes import ConditionBody, Policy, PolicyBody, TargetBody
from service.specs.documents import Document, Findings
from service.specs.durations import parse_duration
from service.specs.problems import Path
from service.specs.references import Objects, Placed

TIER_ANNOTATION = "watchkeeper/tier"
"""On a condition: what the usual tier of this lookback window has otherwise."""
OUR_TARGET = "watchkeeper"
"""A notification target: the channels of the app, which is where messages go in any case."""
_POLICIES: Path = ("spec", "alertPolicies")

_PAGES = frozenset({"critical", "high", "urgent", "sev0", "sev1", "p0", "p1"})
_TICKETS = frozenset({"warning", "medium", "low", "sev2", "sev3", "p2", "p3"})
"""What others call the two that there are."""


@dataclass(frozen=True, slots=True)
class ReadTiers:
    """The tiers of an SLO; none: it has no alert policies of its own."""

    tiers: Catalogue


def read_tiers(
    document: Document,
    policies: Iterable[Policy],
    window: timedelta,
    objects: Objects,
    channels: frozenset[str],
    findings: Findings,
) -> ReadTiers | None:
    """The tiers that these policies have; None: they have faults, which are noted."""
    reader = _Reader(window, objects, channels, findings)
    before = len(findings.problems)
    found = [
        tier
        for index, policy in enumerate(policies)
        for placed in reader.find_policy(document, (*_POLICIES, index), policy)
        for tier in reader.read_policy(placed)
    ]
    # A reference into a document with faults has told nothing, and gives no tier.
    is_whole = all(tier is not None for tier in found)
    if len(findings.problems) > before or not is_whole:
        return None
    return ReadTiers(tuple(tier for tier in found if tier is not None))


@dataclass(frozen=True, slots=True)
class _Reader:
    window: timedelta
    objects: Objects
    channels: frozenset[str]
    findings: Findings

    def find_policy(
        self, document: Document, path: Path, policy: Policy
    ) -> Iterator[Placed[PolicyBody] | None]:
        if policy.spec is not None:
            yield Placed(document, (*path, "spec"), policy.spec)
        elif policy.alert_policy_ref is not None:
            at = document, (*path, "alertPolicyRef")
            name = policy.alert_policy_ref
            yield self.objects.resolve("AlertPolicy", name, PolicyBody, at, self.findings)

    def read_policy(self, placed: Placed[PolicyBody] | None) -> Iterator[AlertTier | None]:
        if placed is None:
            yield None
            return
        self._note_differences(placed)
        self._read_targets(placed)
        for index, condition in enumerate(placed.body.conditions):
            path = placed.below("conditions", index)
            if condition.spec is not None:
                annotations = condition.metadata.annotations if condition.metadata else {}
                own = annotations.get(TIER_ANNOTATION)
                body = Placed(placed.document, (*path, "spec"), condition.spec)
                yield self._read_condition(body, own)
            elif condition.condition_ref is not None:
                at = placed.document, (*path, "conditionRef")
                name = condition.condition_ref
                found = self.objects.resolve(
                    "AlertCondition", name, ConditionBody, at, self.findings
                )
                yield None if found is None else self._read_condition(found, None)

    def _note_differences(self, placed: Placed[PolicyBody]) -> None:
        document, body = placed.document, placed.body
        if body.alert_when_breaching is False:
            told = "allowed: true; a policy that does not alert is left out of the SLO"
            self.findings.refuse(document, placed.below("alertWhenBreaching"), told)
        if body.alert_when_no_data:
            told = (
                "assumed: an incident of its own; without calls an SLO is unknown, and blindness "
                "that lasts opens one for every app"
            )
            self.findings.assume(document, placed.below("alertWhenNoData"), told)

    def _read_targets(self, placed: Placed[PolicyBody]) -> None:
        for index, target in enumerate(placed.body.notification_targets):
            path = placed.below("notificationTargets", index)
            named = target.target_ref
            if named in {OUR_TARGET, *self.channels} or (
                target.spec is not None and target.spec.target == OUR_TARGET
            ):
                continue
            if named is not None:
                at = placed.document, (*path, "targetRef")
                kind = "AlertNotificationTarget"
                found = self.objects.resolve(kind, named, TargetBody, at, self.findings)
                if found is None or found.body.target == OUR_TARGET:
                    continue
            told = "assumed: the channels of the app; all messages about an app go there"
            self.findings.assume(placed.document, path, told)

    def _read_condition(self, placed: Placed[ConditionBody], own: str | None) -> AlertTier | None:
        document, condition = placed.document, placed.body.condition
        severity = self._read_severity(placed)
        if condition.op != "gt":
            told = "assumed: gt; what alerts is a budget that burns faster than the threshold"
            self.findings.assume(document, placed.below("condition", "op"), told)
        if condition.alert_after not in (None, "0m"):
            told = (
                "assumed: a twelfth of the lookbackWindow; that long it must burn too fast, and "
                "once it no longer does the alert ends"
            )
            self.findings.assume(document, placed.below("condition", "alertAfter"), told)
        if severity is None:
            return None
        long = parse_duration(condition.lookback_window)
        tier = AlertTier.of(severity, long, condition.threshold, self.window)
        return tier if own is None else self._with_own(placed, tier, own)

    def _read_severity(self, placed: Placed[ConditionBody]) -> Severity | None:
        told = placed.body.severity
        if told in ("page", "ticket"):
            return "page" if told == "page" else "ticket"
        known = told.casefold().replace("-", "").replace(" ", "")
        if known not in _PAGES | _TICKETS:
            allowed = "allowed: 'page' or 'ticket'"
            self.findings.refuse(placed.document, placed.below("severity"), allowed)
            return None
        severity: Severity = "page" if known in _PAGES else "ticket"
        assumed = f"assumed: {severity}; there are page and ticket"
        self.findings.assume(placed.document, placed.below("severity"), assumed)
        return severity

    def _with_own(
        self, placed: Placed[ConditionBody], tier: AlertTier, own: str
    ) -> AlertTier | None:
        try:
            long, short, share = _read_numbers(json.loads(own))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            path: Path = (*placed.path[:-1], "metadata", "annotations", TIER_ANNOTATION)
            told = 'allowed: {"longS": ..., "shortS": ..., "budgetShare": ...} as JSON'
            self.findings.refuse(placed.document, path, told)
            return None
        return AlertTier(tier.severity, long, short, tier.factor, share)


def _read_numbers(content: dict[str, Any]) -> tuple[timedelta, timedelta, float]:
    long, short, share = (float(content[key]) for key in ("longS", "shortS", "budgetShare"))
    if not all(math.isfinite(number) and number >= 0 for number in (long, short, share)):
        raise ValueError
    return timedelta(seconds=long), timedelta(seconds=short), share
