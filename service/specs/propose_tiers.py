"""Tiers that cannot fire are refused, with a catalogue that works in the words of documents."""

from datetime import timedelta

import yaml

from service.domain.alert_windows import MAX_BURN_SHARE, Catalogue, max_burn, spell_duration
from service.domain.slos import Infeasibility, Slo, find_infeasibility
from service.specs.documents import Document, Findings
from service.specs.problems import Path
from service.specs.write_tiers import write_policies

POLICIES: Path = ("spec", "alertPolicies")


def refuse_unreachable(document: Document, slo: Slo, findings: Findings) -> None:
    """Note a fault where not even a total failure would fire a tier of the SLO."""
    found = find_infeasibility(slo)
    if found is None:
        return
    limit = max_burn(slo.objective)
    what = f"{_name(found)}: at a target of {slo.objective:g}"
    shown = f"{what} a total failure burns {limit:.4g} times the sustainable rate, no more"
    if found.proposed:
        catalogue = write_catalogue(found.proposed, slo.window)
        advice = "this catalogue works; put it under spec:\n" + catalogue
    else:
        advice = _advise_without_proposal(limit)
    findings.refuse(document, POLICIES, advice, shown)


def _name(found: Infeasibility) -> str:
    tiers = ", ".join(
        f"{tier.severity} at {tier.factor:g} over {spell_duration(tier.long)}"
        for tier in found.unreachable
    )
    return f"tiers that cannot fire ({tiers})"


def _advise_without_proposal(limit: float) -> str:
    return (
        f"no catalogue leaves room for noise here ({MAX_BURN_SHARE:g} of {limit:.4g} is not above "
        "1): turn the indicator around, so that what is rare counts as bad, or declare one "
        f"tier with a threshold from 1 to {limit:.4g} over a long window"
    )


def write_catalogue(tiers: Catalogue, window: timedelta) -> str:
    """The tiers as `alertPolicies`, indented to stand below `spec:`."""
    text = yaml.safe_dump(
        {"alertPolicies": write_policies(tiers, window)},
        sort_keys=False,
        default_flow_style=None,
        width=100,
    )
    return "".join(f"  {line}" for line in text.splitlines(keepends=True)).rstrip()
