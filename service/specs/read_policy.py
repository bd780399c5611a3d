"""What happens as the error budget is used up: our own extension of OpenSLO's SLO."""

import json

import yaml

from service.domain.slos import Consequence
from service.specs.check_shapes import check_shape
from service.specs.documents import Document, Findings
from service.specs.openslo_shapes import ConsequenceBody, SloDocument
from service.specs.problems import Path, list_allowed

ANNOTATION = "watchkeeper/error-budget-policy"
"""Where the policy stands in a document that other tools check, too: they refuse unknown fields."""
DISPLAY_NAME = "watchkeeper/display-name"
"""A display name that is longer than OpenSLO allows."""
_OURS = "watchkeeper/"
_PATH: Path = ("metadata", "annotations", ANNOTATION)


def read_policy(
    document: Document, shape: SloDocument, findings: Findings
) -> tuple[Consequence, ...] | None:
    """The consequences, from either place; None: they have faults, which are noted."""
    annotations = shape.metadata.annotations
    for name in annotations:
        if name.startswith(_OURS) and name not in (ANNOTATION, DISPLAY_NAME):
            told = list_allowed((ANNOTATION, DISPLAY_NAME), name)
            findings.refuse(document, ("metadata", "annotations", name), told)
    own = shape.spec.error_budget_policy
    if ANNOTATION not in annotations:
        return tuple(Consequence(each.remaining, each.action) for each in own)
    if own:
        findings.refuse(document, _PATH, "allowed: this, or spec.errorBudgetPolicy, not both")
        return None
    return _read_text(document, annotations[ANNOTATION], findings)


def _read_text(document: Document, text: str, findings: Findings) -> tuple[Consequence, ...] | None:
    told = 'allowed: a list, like [{"remaining": 0.25, "action": "notify"}], as text'
    items = _load(text)
    if not isinstance(items, list):
        findings.refuse(document, _PATH, told)
        return None
    shapes = [check_shape(document, _PATH, item, ConsequenceBody, findings) for item in items]
    found = tuple(Consequence(each.remaining, each.action) for each in shapes if each is not None)
    return found if len(found) == len(items) else None


def _load(text: str) -> object:
    """JSON, or else YAML, which takes JSON's 1e-05 for text; None: neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        try:
            return yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError, OverflowError):
            return None
