"""An SLO as Prometheus rules: the 17 that sloth generates for one SLO over 30 days.

Source: the generator of github.com/slok/sloth, `prometheus/v1`: recording rules of the error ratio
over eight windows, seven of what is derived from them, and two alerts of two window pairs each.
"""

from collections.abc import Iterator
from typing import Any

BAD, TOTAL = "calls_bad_total", "calls_total"
RECORDED = "slo:sli_error:ratio_rate5m"
"""What the window of the whole period is added up from."""
PERIOD_DAYS = 30
_OBJECTIVE = 0.99
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_ALERTS = {
    "page": (("5m", "1h", 14.4), ("30m", "6h", 6)),
    "ticket": (("2h", "1d", 3), ("6h", "3d", 1)),
}


def identity(number: int) -> dict[str, str]:
    """The labels that name an SLO in everything that is recorded of it."""
    return {
        "sloth_id": f"bench-{number}",
        "sloth_service": "bench",
        "sloth_slo": str(number),
    }


def chosen(labels: dict[str, str]) -> str:
    """These labels in braces."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def groups_of(number: int) -> list[dict[str, Any]]:
    """Its three groups, as in a rules file."""
    kinds = {"sli": _slis(number), "meta": _derived(number), "alerts": _alerts(number)}
    return [{"name": f"{kind}-{number}", "rules": list(rules)} for kind, rules in kinds.items()]


def _record(number: int, name: str, expression: str, **labels: str) -> dict[str, Any]:
    return {"record": name, "expr": expression, "labels": identity(number) | labels}


def _slis(number: int) -> Iterator[dict[str, Any]]:
    of = f'{{slo="{number}"}}'
    for window in _WINDOWS:
        ratio = f"(sum(rate({BAD}{of}[{window}]))) / (sum(rate({TOTAL}{of}[{window}])))"
        yield _record(number, f"slo:sli_error:ratio_rate{window}", ratio, sloth_window=window)
    period = f"{PERIOD_DAYS}d"
    held = f"{RECORDED}{chosen(identity(number))}[{period}]"
    mean = f"sum_over_time({held}) / ignoring (sloth_window) count_over_time({held})"
    yield _record(number, f"slo:sli_error:ratio_rate{period}", mean, sloth_window=period)


def _derived(number: int) -> Iterator[dict[str, Any]]:
    of = chosen(identity(number))
    budget = f"/ on(sloth_id, sloth_slo, sloth_service) group_left slo:error_budget:ratio{of}"
    for name, expression in (
        ("slo:objective:ratio", f"vector({_OBJECTIVE})"),
        ("slo:error_budget:ratio", f"vector(1-{_OBJECTIVE})"),
        ("slo:time_period:days", f"vector({PERIOD_DAYS})"),
        ("slo:current_burn_rate:ratio", f"{RECORDED}{of} {budget}"),
        ("slo:period_burn_rate:ratio", f"slo:sli_error:ratio_rate{PERIOD_DAYS}d{of} {budget}"),
        ("slo:period_error_budget_remaining:ratio", f"1 - slo:period_burn_rate:ratio{of}"),
        ("sloth_slo_info", "vector(1)"),
    ):
        yield _record(number, name, expression)


def _alerts(number: int) -> Iterator[dict[str, Any]]:
    for severity, pairs in _ALERTS.items():
        either = " or ".join(
            f"({_burns(number, short, factor)} and {_burns(number, long, factor)})"
            for short, long, factor in pairs
        )
        labels = {"sloth_severity": severity}
        yield {"alert": f"Burns{number}{severity}", "expr": either, "labels": labels}


def _burns(number: int, window: str, factor: float) -> str:
    ratio = f"slo:sli_error:ratio_rate{window}{chosen(identity(number))}"
    return f"max({ratio} > ({factor} * {1 - _OBJECTIVE:g})) without (sloth_window)"
