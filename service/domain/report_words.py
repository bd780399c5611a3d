"""What the weekly report says of an SLO's week: nothing that its figures do not allow."""

from collections.abc import Iterator

from service.domain.attainment import Change, Held
from service.domain.coverage import Coverage, Versions
from service.domain.indicators import Indicator
from service.domain.spelling import percent, whole


def say_held(held: Held, coverage: Coverage, indicator: Indicator, versions: Versions) -> str:
    """Whether the objective held, or why that cannot be told."""
    if not coverage.counted:
        return f"No data: {_nothing(coverage, indicator, versions)}."
    if not coverage.is_enough:
        return f"Cannot tell: only {_part(coverage, 'of this week')}."
    if held == "yes":
        return "The objective held: the whole interval reaches it."
    if held == "no":
        return "The objective did not hold: the whole interval lies below it."
    return (
        "Cannot tell: the objective lies within the interval; only more "
        f"{indicator.counted}s would narrow it."
    )


def _nothing(coverage: Coverage, indicator: Indicator, versions: Versions) -> str:
    if not indicator.is_of_scores:
        return f"no {indicator.counted} was counted in this week"
    who = _scorer(coverage, versions)
    why = f" ({_reasons(coverage)})" if coverage.total else ""
    return f"no answer was scored{who} in this week{why}"


def say_change(change: Change, week: Coverage, before: Coverage, versions: Versions) -> str:
    """What changed against the week before, or why that cannot be told."""
    if not before.counted:
        if not before.total:
            return "Nothing to compare with: the week before has no data."
        who = _scorer(before, versions)
        return (
            f"Nothing to compare with: no answer of the week before was scored{who} "
            f"({_reasons(before)})."
        )
    if not week.counted:
        return "Nothing to compare."
    if not before.is_enough:
        return f"Cannot tell what changed: only {_part(before, 'of the week before')}."
    if not week.is_enough:
        return "Cannot tell what changed: too little of this week is counted."
    if change.direction == "cannot tell":
        return "No certain change against the week before."
    return f"{change.direction.capitalize()} than the week before."


def say_notes(
    indicator: Indicator, versions: Versions, week: Coverage, slo_window: Coverage
) -> Iterator[str]:
    """What a reader must know before trusting the figures."""
    if indicator.is_of_scores:
        yield from _say_version(indicator, versions)
    if week.awaiting_score:
        yield _say_awaiting(week.awaiting_score)
    if week.evaluator_failed:
        yield (
            "Samples of this week that the evaluator failed on, and that have no score: "
            f"{whole(week.evaluator_failed)}."
        )
    if week.by_other_versions:
        only = f": counted is version {versions.counted} only" if versions.counted else ""
        yield (
            f"{whole(week.by_other_versions)} answers of this week were scored by other versions "
            f"of the evaluator; they are not mixed in{only}."
        )
    if not slo_window.is_enough:
        yield f"The budget is not that of its whole window: only {_part(slo_window, 'of it')}."


def _say_awaiting(samples: int) -> str:
    if samples == 1:
        return "Up to 1 sample of this week still awaits its score."
    return f"Up to {whole(samples)} samples of this week still await their score."


def _say_version(indicator: Indicator, versions: Versions) -> Iterator[str]:
    if versions.in_force is None:
        yield (
            f"The task no longer declares the evaluator {indicator.evaluator}, or it cannot be "
            "built here: nothing is scored any more."
        )
    if versions.counted != versions.in_force:
        now = f", which is {versions.in_force}" if versions.in_force else ""
        yield (
            f"This week was scored by version {versions.counted} of the evaluator, and is reported "
            f"by it; it is not the version in force{now}."
        )


def _scorer(coverage: Coverage, versions: Versions) -> str:
    """Who did not score, where somebody else did."""
    if not coverage.by_other_versions:
        return ""
    if versions.counted is None:
        return " by a version in force"
    if versions.counted == versions.in_force:
        return " by the version in force"
    return f" by version {versions.counted}"


def _part(coverage: Coverage, of_what: str) -> str:
    """How much is counted, where something is."""
    return (
        f"{whole(coverage.counted)} of {whole(coverage.total)} answers {of_what} are counted, "
        f"{percent(coverage.share)} ({_reasons(coverage)})"
    )


def _reasons(coverage: Coverage) -> str:
    """Why answers are not counted, each with their number."""
    reasons = (
        ("scored by other versions of the evaluator", coverage.by_other_versions),
        ("awaiting their score", coverage.awaiting_score),
        ("the evaluator failed", coverage.evaluator_failed),
    )
    return ", ".join(f"{reason}: {whole(number)}" for reason, number in reasons if number)
