"""Alert tiers as `alertPolicies` of OpenSLO, one policy with one condition each."""

import json
import re
from datetime import timedelta
from typing import Any

from service.domain.alert_windows import AlertTier, Catalogue
from service.specs.durations import parse_duration, write_duration
from service.specs.read_tiers import OUR_TARGET, TIER_ANNOTATION

_MINUTE = timedelta(minutes=1)


def write_policies(tiers: Catalogue, window: timedelta) -> list[dict[str, Any]]:
    """What `alertPolicies` holds for these tiers of an SLO over this window."""
    return [_write_policy(tier, window) for tier in tiers]


def _write_policy(tier: AlertTier, window: timedelta) -> dict[str, Any]:
    name = write_label(tier.key)
    lookback = write_duration(max(_MINUTE, round(tier.long / _MINUTE) * _MINUTE))
    metadata: dict[str, Any] = {"name": name}
    if AlertTier.of(tier.severity, parse_duration(lookback), tier.factor, window) != tier:
        metadata["annotations"] = {TIER_ANNOTATION: _write_exactly(tier)}
    condition = {
        "kind": "burnrate",
        "op": "gt",
        "threshold": tier.factor,
        "lookbackWindow": lookback,
    }
    target = {
        "kind": "AlertNotificationTarget",
        "metadata": {"name": "channels-of-the-app"},
        "spec": {"target": OUR_TARGET},
    }
    return {
        "kind": "AlertPolicy",
        "metadata": {"name": name},
        "spec": {
            "alertWhenBreaching": True,
            "conditions": [
                {
                    "kind": "AlertCondition",
                    "metadata": metadata,
                    "spec": {"severity": tier.severity, "condition": condition},
                }
            ],
            "notificationTargets": [target],
        },
    }


def _write_exactly(tier: AlertTier) -> str:
    return json.dumps(
        {
            "longS": tier.long.total_seconds(),
            "shortS": tier.short.total_seconds(),
            "budgetShare": tier.budget_share,
        }
    )


def write_label(name: str) -> str:
    """A name as OpenSLO allows one: a DNS label.

    >>> write_label("page-14.4-60m")
    'page-14-4-60m'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.casefold())[:63].strip("-") or "unnamed"
