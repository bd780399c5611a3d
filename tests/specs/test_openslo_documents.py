"""OpenSLO documents in the shape of its specification: objects by name, dialects, objectives."""

from datetime import timedelta
from typing import Any

import pytest

from service.domain.alert_windows import standard_catalogue
from service.domain.indicators import Indicator, Member
from service.domain.slos import Consequence
from service.specs.declarations import Known
from service.specs.parse_declarations import parse_declarations
from service.specs.problems import InvalidDeclarationError
from tests.specs.written import (
    KNOWN,
    SEPARATE,
    V2,
    an_object,
    an_slo,
    bad,
    faults,
    good,
    read,
    source,
    warnings,
)

QUALITY = Indicator("quality", "answer", "production", "refusal")


def test_objects_are_found_by_their_names() -> None:
    (spec,) = parse_declarations([("d.yaml", SEPARATE)], {}, KNOWN, strict=True).slos
    slo = spec.slo
    assert (spec.display_name, slo.indicator, slo.objective) == ("Answers given", QUALITY, 0.95)
    (tier,) = slo.tiers
    assert (tier.severity, tier.factor, tier.long) == ("page", 5, timedelta(hours=6))
    assert slo.calendar is not None


def test_the_order_and_the_files_do_not_matter() -> None:
    files = [(f"{n}.yaml", text) for n, text in enumerate(reversed(SEPARATE.split("---\n")))]
    assert parse_declarations(files, {}, KNOWN).slos[0].slo.indicator == QUALITY


def test_a_policy_may_be_given_by_its_name_alone() -> None:
    text = SEPARATE.replace("[{alertPolicyRef: burns}]", "[burns]")
    text = text.replace("[{conditionRef: fast}]", "[fast]")
    assert len(parse_declarations([("d.yaml", text)], {}, KNOWN).slos[0].slo.tiers) == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("indicatorRef: not", "indicatorRef: no", "indicatorRef: found no SLI named 'no-refused';"),
        ("Ref: burns", "Ref: burn", "alertPolicies[0].alertPolicyRef: found no AlertPolicy named"),
        ("[{alertPolicyRef: burns}]", "[burn]", "alertPolicies[0]: found no AlertPolicy named"),
        ("conditionRef: fast", "conditionRef: slow", "d.yaml:43, document 6, spec.conditions[0]"),
        ("targetRef: phone", "targetRef: fone", "no AlertNotificationTarget named 'fone'"),
        ("name: our-counts", "name: ours", "metricSourceRef: found no DataSource named"),
        ("type: watchkeeper", "type: Prometheus", "type: found nothing; allowed: watchkeeper"),
        ("name: phone", "name: phone, x-y: 1", "metadata.x-y"),
    ],
)
def test_a_reference_to_nothing_is_told_where_it_stands(old: str, new: str, told: str) -> None:
    text = SEPARATE.replace(old, new)
    assert text != SEPARATE
    assert any(told in fault for fault in faults_of(text))


def faults_of(text: str) -> list[str]:
    with pytest.raises(InvalidDeclarationError) as caught:
        parse_declarations([("d.yaml", text)], {}, KNOWN, strict=True)
    return [str(problem) for problem in caught.value.problems]


def test_a_reference_to_an_object_with_faults_is_no_second_fault() -> None:
    (fault,) = faults_of(SEPARATE.replace("threshold: 5", "threshold: five"))
    assert "threshold: found 'five'; allowed: a number, not quoted" in fault


def test_two_objects_of_one_name_are_refused() -> None:
    sli = an_object("SLI", "s", **good(outcome="ok"))
    (fault,) = faults(sli, sli)
    assert "d.yaml:22, document 2, metadata.name: found a second SLI 's'" in fault


def test_version_2_is_read_in_its_own_words() -> None:
    found = parse_declarations([("d.yaml", V2)], {}, KNOWN, strict=True)
    assert found.slos[0].slo.indicator == QUALITY


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "{type: watchkeeper}",
            "{type: x}",
            "d.yaml:12, document 1, spec.sli.spec.ratioMetric.good.dataSourceSpec.type: found 'x'",
        ),
        ("verdict: pass", "verdict: no", "spec.sli.spec.ratioMetric.good.spec.verdict: found fals"),
        (
            "dataSourceRef: watchkeeper",
            "dataSourceRef: x",
            "ratioMetric.total.dataSourceRef: found",
        ),
        ("  sli:\n", "  slli:\n", "spec.slli: found an unknown field 'slli'"),
    ],
)
def test_faults_of_version_2_are_told_in_its_own_words(old: str, new: str, told: str) -> None:
    text = V2.replace(old, new)
    assert any(told in fault for fault in faults_of(text))


def test_a_list_of_documents_is_as_many() -> None:
    assert [spec.slo.name for spec in read([an_slo("a"), an_slo("b")]).slos] == ["a", "b"]
    (fault,) = faults([an_slo("a"), an_slo("b", service="nobody")])
    assert "document 1, [1].spec.service: found no app named 'nobody'" in fault


def test_a_service_without_an_app_declares_nothing() -> None:
    service = an_object("Service", "web shop")
    assert warnings(service) == [
        "metadata.name: assumed: nothing; a service is an app here, and a document of kind App "
        "with its name and team declares it"
    ]
    (fault,) = faults(service, an_slo(service="web shop"))
    assert "service: found no app named 'web shop'" in fault
    assert "an app is declared by a document of kind App, with its team" in fault


def test_several_objectives_are_as_many_slos() -> None:
    objectives = [
        {"displayName": "Good enough", "target": 0.97},
        {"target": 0.99, "compositeWeight": 2},
    ]
    found = read(an_slo(objectives=objectives))
    assert [(spec.slo.name, spec.display_name, spec.slo.objective) for spec in found.slos] == [
        ("given-good-enough", "given: Good enough", 0.97),
        ("given-2", "given: 2", 0.99),
    ]
    assert [each.path for each in found.warnings] == ["spec.objectives[1].compositeWeight"]


@pytest.mark.parametrize(
    ("objectives", "told"),
    [
        ([{"displayName": "A", "target": 0.99}] * 2, "a displayName of its own for each objective"),
        (
            [{"displayName": "A" * 70, "target": 0.99}, {"target": 0.98}],
            "objectives[0].displayName: found 'AAAA",
        ),
        ([], "objectives: found a list of 0; allowed: at least 1"),
        ([{"target": 0.99}] * 21, "at most 20 of them"),
    ],
)
def test_objectives_that_cannot_be_told_apart_are_refused(objectives: Any, told: str) -> None:
    (fault,) = faults(an_slo(objectives=objectives))
    assert told in fault


def parts(**more: Any) -> dict[str, Any]:
    objectives = [
        {"displayName": "Up", "target": 0.99, "indicator": {"spec": good(outcome="ok")}},
        {
            "displayName": "Liked",
            "target": 0.96,
            "compositeWeight": 2,
            "indicator": {"spec": bad(signals=["thumbs"])},
        },
    ]
    return an_slo(indicator=None, objectives=objectives, **more)


def test_objectives_with_indicators_of_their_own_are_a_composite() -> None:
    policy = [{"remaining": 0, "action": "freeze"}]
    found = read(parts(errorBudgetPolicy=policy))
    up, liked, whole = (spec.slo for spec in found.slos)
    assert [slo.name for slo in (up, liked, whole)] == ["given-up", "given-liked", "given"]
    assert whole.indicator.members == (Member("given-up", 1.0), Member("given-liked", 2.0))
    assert whole.objective == 0.97
    assert (up.policy, whole.policy) == ((), (Consequence(0, "freeze"),))
    (warning,) = found.warnings
    assert "assumed: 0.97 of all together, the weighted mean of the targets" in warning.assumed


def test_an_indicator_stands_at_one_of_both_places() -> None:
    document = parts()
    document["spec"]["indicatorRef"] = "x"
    assert "an indicator here, or one in each of the objectives" in faults(document)[0]
    document = parts()
    del document["spec"]["objectives"][0]["indicator"]
    assert "where other objectives have an indicator" in faults(document)[0]
    assert "this field is required, or indicatorRef" in faults(an_slo(indicator=None))[0]
    assert "one of indicator and indicatorRef" in faults(an_slo(indicatorRef="x"))[0]


def test_the_catalogue_that_is_proposed_works_for_all_objectives() -> None:
    objectives = [{"target": 0.99}, {"displayName": "low", "target": 0.8}]
    (fault,) = faults(an_slo(objectives=objectives))
    assert "at a target of 0.8 a total failure burns 5 times" in fault
    assert fault.count("kind: AlertPolicy\n") == 4


def test_without_policies_the_standard_catalogue_watches() -> None:
    slo = read(an_slo(alertPolicies=None)).slos[0].slo
    assert slo.tiers == standard_catalogue(timedelta(days=28))


def test_other_sources_are_refused() -> None:
    metric = good(outcome="ok")
    metric["ratioMetric"]["good"] = {
        "metricSource": {"type": "Prometheus", "spec": {"query": "up"}}
    }
    (fault,) = faults(an_slo(indicator={"spec": metric}))
    assert "type: found 'Prometheus'; allowed: watchkeeper; the calls and scores" in fault


@pytest.mark.parametrize("policy", ["spec", "annotation"])
def test_an_error_budget_policy_is_read(policy: str) -> None:
    document = an_slo()
    if policy == "spec":
        steps: Any = [{"remaining": 0.25, "action": "notify"}, {"remaining": 0, "action": "freeze"}]
        document["spec"]["errorBudgetPolicy"] = steps
    else:
        text = "[{remaining: 0.25, action: notify}, {remaining: 0, action: freeze}]"
        document["metadata"]["annotations"] = {"watchkeeper/error-budget-policy": text}
    assert read(document, strict=True).slos[0].slo.policy == (
        Consequence(0.25, "notify"),
        Consequence(0, "freeze"),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "allowed: a list, like"),
        ("7", "allowed: a list, like"),
        ("[7]", "allowed: a mapping"),
        ("[{remaining: 1, action: notify}]", "allowed: a number below 1"),
        ("[{remaining: .nan, action: notify}]", "allowed: a finite number"),
        ("[{remaining: 0, action: page}]", "allowed: 'notify' or 'freeze'"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(text: str, told: str) -> None:
    document = an_slo()
    document["metadata"]["annotations"] = {"watchkeeper/error-budget-policy": text}
    assert told in faults(document)[0]
    document["spec"]["errorBudgetPolicy"] = [{"remaining": 0, "action": "notify"}]
    document["metadata"]["annotations"] = {"watchkeeper/error-budget-policy": "[]"}
    assert "not both" in faults(document)[0]


def test_names_of_the_database_are_known() -> None:
    known = Known(frozenset({"support"}), evaluators={("support", "answer"): frozenset()})
    assert read(an_slo(), known=known).slos
    assert "task of support" in faults(an_slo(), known=Known(frozenset({"support"})))[0]


def test_a_source_of_ours_may_be_named_without_a_document() -> None:
    metric = good(outcome="ok")
    for side in ("good", "total"):
        spec = metric["ratioMetric"][side]["metricSource"]["spec"]
        metric["ratioMetric"][side] = {
            "metricSource": {"metricSourceRef": "watchkeeper", "spec": spec}
        }
    assert read(an_slo(indicator={"spec": metric}), strict=True).slos
    assert source(outcome="ok")["metricSource"]["type"] == "watchkeeper"
