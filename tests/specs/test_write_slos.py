"""What is written is read as the same SLO, and OpenSLO's own rules allow it."""

from dataclasses import replace
from datetime import timedelta

import fastjsonschema
import yaml
from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert_windows import standard_catalogue
from service.domain.indicators import Filters, Indicator
from service.domain.slos import Consequence, Slo
from service.specs.declarations import Declarations, Known
from service.specs.parse_declarations import parse_declarations
from service.specs.write_slos import write_slo_document, write_slos
from tests.specs.openslo_schema import SLO
from tests.specs.slos_at_random import labels, slos, texts

ALLOWED_BY_OPENSLO = fastjsonschema.compile(SLO)
MONTH = timedelta(days=28)
ANSWERED = Slo(
    "answers-given",
    "support",
    Indicator("quality", "answer", "production", "refusal"),
    0.99,
    MONTH,
    standard_catalogue(MONTH),
)


def known_for(slo: Slo) -> Known:
    """All that the SLO refers to."""
    indicator = slo.indicator
    evaluators = frozenset({indicator.evaluator} if indicator.evaluator else ())
    parts = {(slo.app, member.slo): ANSWERED for member in indicator.members}
    return Known(
        apps=frozenset({slo.app}), evaluators={(slo.app, indicator.task): evaluators}, slos=parts
    )


def read_back(slo: Slo, text: str) -> Declarations:
    return parse_declarations([("slos.yaml", text)], {"X": "wrong"}, known_for(slo))


@given(slos(), st.none() | texts | st.text("Aä ", min_size=60, max_size=200))
def test_what_is_written_is_read_back(slo: Slo, display_name: str | None) -> None:
    if any(member.slo == slo.name for member in slo.indicator.members):
        slo = replace(slo, name=f"{slo.name[:50]}-whole")
    found = read_back(slo, write_slos([(slo, display_name)]))
    (spec,) = found.slos
    # A calendar may count from a Tuesday noon: what that means is told.
    assert all(each.path.endswith("startTime") for each in found.warnings)
    assert spec.slo == slo
    assert spec.display_name == (display_name or slo.name)


@given(slos(labels), st.none() | texts)
def test_openslo_allows_what_is_written(slo: Slo, display_name: str | None) -> None:
    document = write_slo_document(slo, display_name)
    assert ALLOWED_BY_OPENSLO(document) == document
    assert yaml.safe_load(yaml.safe_dump(document)) == document


def test_standard_tiers_need_not_be_said() -> None:
    assert "alertPolicies" not in write_slo_document(ANSWERED)["spec"]


def test_several_slos_are_a_document_each() -> None:
    other = replace(ANSWERED, name="other")
    text = write_slos([(ANSWERED, None), (other, "Other")])
    found = read_back(ANSWERED, text).slos
    assert [(spec.slo.name, spec.display_name) for spec in found] == [
        ("answers-given", "answers-given"),
        ("other", "Other"),
    ]


def test_a_dollar_in_a_name_stays_one() -> None:
    filters = Filters(release="${X}", model="$${X}", prompt_version="$${${X}}")
    slo = replace(ANSWERED, indicator=replace(ANSWERED.indicator, filters=filters))
    assert read_back(slo, write_slos([(slo, None)])).slos[0].slo == slo


def test_a_tiny_share_that_yaml_would_take_for_text_stays_a_number() -> None:
    slo = replace(ANSWERED, policy=(Consequence(1e-05, "notify"),))
    assert read_back(slo, write_slos([(slo, None)])).slos[0].slo == slo


def test_line_breaks_of_other_scripts_stay_what_they_are() -> None:
    filters = Filters(release="a\x85b", model="\u2028", prompt_version="\ufeff1")
    slo = replace(ANSWERED, indicator=replace(ANSWERED.indicator, filters=filters))
    assert read_back(slo, write_slos([(slo, "Größe")])).slos[0].slo == slo
    assert "Größe" in write_slos([(ANSWERED, "Größe")])
