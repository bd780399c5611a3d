"""What a tier says of the windows that it judged: counts, burns, bound and threshold."""

from collections.abc import Sequence

from service.domain.alert_windows import AlertTier, spell_duration
from service.domain.blindness import SloPolicy
from service.domain.slis import Tally
from service.domain.slos import Slo


def explain_burn(
    slo: Slo,
    tier: AlertTier,
    tally: Tally,
    burns: Sequence[float | None],
    at_least: float,
    policy: SloPolicy,
    *,
    overspends: bool,
) -> str:
    """By the long window's tally, and the burn rates of the long and the short window.

    overspends: said of a burn that surely exceeds 1 though not the threshold.
    """
    burn, recent = burns
    over_one = f", more than 1 with {policy.certainty:.4%}" if overspends else ""
    lately = (
        "" if recent is None else f", {recent:.2f} times in the last {spell_duration(tier.short)}"
    )
    return (
        f"{_count(slo, tally)} in the last {spell_duration(tier.long)}: {burn:.2f} times the "
        f"sustainable rate (at least {at_least:.2f} with {policy.confidence:.0%} confidence"
        f"{over_one}){lately}; the {tier.severity} threshold is {tier.factor:g}"
    )


def _count(slo: Slo, tally: Tally) -> str:
    plain = tally.bad_n / tally.n
    ratio = tally.bad_ratio or 0.0
    weighted = f" ({ratio:.1%} by weight)" if abs(ratio - plain) > 0.0005 else ""
    return f"{tally.bad_n} of {tally.n} {slo.indicator.bad}{weighted}"
