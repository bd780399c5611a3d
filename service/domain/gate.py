"""The gate of releases: whether an SLO allows a change, and why, in sentences with numbers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from service.domain.alert_windows import Severity
from service.domain.budget_policy import Crossing, Spent
from service.domain.burn_rate import Status
from service.domain.spelling import percent
from service.domain.spells import Sight

Verdict = Literal["pass", "fail", "unknown"]
UnknownAs = Literal["pass", "fail", "unknown"]


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """`status` and `since` are of the SLO; the first reason is the one that decided."""

    verdict: Verdict
    reasons: tuple[str, ...]
    status: Status
    since: datetime | None

    def counted_as(self, unknown: UnknownAs) -> Verdict:
        """The verdict, where whoever asks has a view on what unknown is to count as."""
        return unknown if self.verdict == "unknown" else self.verdict


def judge_gate(
    sight: Sight,
    sentence: str,
    verdict: Mapping[str, Any],
    crossings: Collection[Crossing],
    *,
    since: datetime | None,
) -> GateAnswer:
    """Closed by a page that fires or a freeze in force; else open, if anything can be seen.

    A page and a freeze stay what they are while we are blind, so they close the gate even then.

    Args:
        sight: what can be seen of the SLO now.
        sentence: of its last evaluation.
        verdict: of its last evaluation, as stored; empty before the first.
        crossings: the consequences of its budget policy that are in force.
        since: when its status began.
    """
    against = [*_pages(verdict, sentence), *_freezes(crossings)]
    unseen = _unseen(sight, sentence)
    known = _budget(verdict)
    if against:
        return GateAnswer("fail", (*against, *unseen, *known), sight.status, since)
    if unseen:
        return GateAnswer("unknown", (*unseen, *known), sight.status, since)
    remarks = _tickets(verdict, sentence)
    return GateAnswer("pass", (*known, *remarks), sight.status, since)


def _pages(verdict: Mapping[str, Any], sentence: str) -> list[str]:
    return _alerts(verdict, sentence, "page")


def _tickets(verdict: Mapping[str, Any], sentence: str) -> list[str]:
    return _alerts(verdict, sentence, "ticket")


def _alerts(verdict: Mapping[str, Any], sentence: str, severity: Severity) -> list[str]:
    if verdict.get("severity") != severity:
        return []
    return [f"A {severity} fires: {sentence}"]


def _freezes(crossings: Collection[Crossing]) -> list[str]:
    return [
        f"Releases are frozen since {crossing.since:%Y-%m-%d %H:%M} UTC: "
        f"{percent(crossing.remaining)} of the error budget was left then, and the policy freezes "
        f"at {percent(crossing.consequence.at_remaining)}"
        for crossing in crossings
        if crossing.consequence.action == "freeze"
    ]


def _unseen(sight: Sight, sentence: str) -> list[str]:
    if sight.status != "unknown":
        return []
    return [f"The status is unknown: {sight.reason if sight.cause else sentence}"]


def _budget(verdict: Mapping[str, Any]) -> list[str]:
    spent = Spent.of(verdict)
    return ["Nothing was counted for the error budget yet" if spent is None else spent.sentence]
