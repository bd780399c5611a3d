import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.contract import Sample, Score, Task, fault_in
from evaluators.json_contract import JsonContract
from evaluators.registry import InvalidConfig, load
from evaluators.testing import check_evaluator

CONTRACT = {
    "type": "object",
    "required": ["summary", "items"],
    "additionalProperties": False,
    "properties": {
        "summary": {"type": "string", "maxLength": 40},
        "mood": {"enum": ["good", "bad"]},
        "items": {
            "type": "array",
            "items": {"type": "object", "properties": {"price": {"type": "number"}}},
        },
        "extra": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}
GOOD = {"summary": "fine", "items": [{"price": 1.5}]}


def _score(response: str, contract: dict[str, Any] | None = None) -> Score:
    built = load().build("contract", {}, Task("answer", contract))
    (score,) = built.evaluator.score_batch([Sample(response=response)])
    assert score is not None
    return score


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ('{"a": [1, 2.5, null, true, "x"]}', "valid"),
        (" 42 \n", "valid"),
        ('```json\n{"a": 1}\n```', "valid"),
        ('```\n{"a": 1}\n```\n', "valid"),
        ('Here you are:\n```json\n{"a": 1}\n```', "not_json"),
        ('```json\n{"a": 1}\n```\n```json\n{}\n```', "not_json"),
        ("```", "not_json"),
        ("", "not_json"),
        ("{'a': 1}", "not_json"),
        ('{"a": 1,}', "not_json"),
        ("NaN", "not_json"),
        ('{"a": -Infinity}', "not_json"),
        ('{"a": 1, "a": 2}', "not_json"),
        ("[" * 100_000, "not_json"),
        ("[" * 100_000 + "]" * 100_000, "not_json"),
        ("9" * 10_000, "not_json"),
        ("1e999", "valid"),
    ],
)
def test_without_a_contract_a_response_is_valid_where_it_is_json(response: str, label: str) -> None:
    score = _score(response)
    assert score.label == label
    assert score.value == float(label == "valid")


@pytest.mark.parametrize(
    ("changes", "explanation"),
    [
        ({"summary": 7}, "/summary: breaks type: string"),
        ({"summary": "Jane Roe, " * 9}, "/summary: breaks maxLength: 40"),
        ({"mood": "Jane Roe"}, '/mood: breaks enum: ["good", "bad"]'),
        ({"items": [{}, {"price": "Jane Roe"}]}, "/items/1/price: breaks type: number"),
        ({"Jane Roe": 1}, "/: breaks additionalProperties: False"),
        ({"extra": {"Jane Roe": "x"}}, "/extra/*: breaks type: integer"),
        ({"extra": {"4711": "x"}}, "/extra/*: breaks type: integer"),
    ],
)
def test_the_explanation_names_the_place_and_the_rule_and_never_quotes_the_answer(
    changes: dict[str, Any], explanation: str
) -> None:
    score = _score(json.dumps({**GOOD, **changes}), CONTRACT)
    assert score == Score(0.0, "breaks_contract", explanation)


def test_missing_fields_are_named() -> None:
    assert _score('{"summary": "x"}', CONTRACT).explanation == "/: misses items"


def test_an_answer_that_keeps_the_contract_is_valid() -> None:
    assert _score(json.dumps(GOOD), CONTRACT) == Score(1.0, "valid")


def test_what_is_no_json_is_told_by_its_place_alone() -> None:
    explanation = _score('{"name": "Jane Roe" oops}').explanation
    assert explanation == "it stops being JSON at character 20"


def test_arithmetic_that_the_compiled_contract_cannot_do_is_answered() -> None:
    assert _score("1e999", {"multipleOf": 0.1}).label == "breaks_contract"


def test_a_contract_that_refers_to_itself_is_followed_as_deep_as_it_can_be() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}}, "additionalProperties": False}
    assert _score('{"child": {"child": {}}}', tree).label == "valid"
    assert _score('{"child":' * 400 + "{}" + "}" * 400, tree).value in (0.0, 1.0)


@pytest.mark.parametrize(
    ("contract", "path", "reason"),
    [
        ({"type": "strng"}, "/contract", "Unknown type"),
        ({"properties": []}, "/contract/properties", "object of schemas"),
        ({"properties": {"a": 5}}, "/contract/properties/a", "a schema is an object"),
        ({"items": 5}, "/contract/items", "a schema is an object"),
        ({"properties": {"a": {"anyOf": {}}}}, "/contract/properties/a/anyOf", "list of schemas"),
        ({"pattern": "("}, "/contract/pattern", "not a regular expression"),
        ({"pattern": "^(a+)+$"}, "/contract/pattern", "repeat within a repeat"),
        ({"patternProperties": {"(a*)*": {}}}, "/contract/patternProperties/(a*)*", "repeat"),
        ({"multipleOf": 0}, "/contract/multipleOf", "above 0"),
        ({"$ref": "#/nowhere"}, "/contract", "Unresolvable"),
        ({"$ref": "https://example.org/schema"}, "/contract/$ref", "same schema"),
        ({"items": {"$ref": "file:///etc/passwd"}}, "/contract/items/$ref", "same schema"),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema"}, "/contract/$schema", "draft"),
        ({"items": {"prefixItems": []}}, "/contract/items/prefixItems", "newer"),
        ({"const": float("nan")}, "/contract", "JSON"),
        ({"const": {1, 2}}, "/contract", "JSON"),
    ],
)
def test_a_broken_contract_is_refused_when_built_with_the_place_and_the_reason(
    contract: dict[str, Any], path: str, reason: str
) -> None:
    with pytest.raises(InvalidConfig, match=reason) as caught:
        load().build("contract", {}, Task("answer", contract))
    assert caught.value.path == path


def test_a_contract_nested_beyond_reason_is_refused() -> None:
    contract: dict[str, Any] = {}
    for _ in range(100):
        contract = {"not": contract}
    with pytest.raises(InvalidConfig, match="levels deep"):
        load().build("contract", {}, Task("answer", contract))


@pytest.mark.parametrize("contract", [None, CONTRACT])
def test_contract_keeps_the_contract(contract: dict[str, Any] | None) -> None:
    samples = [Sample(response=json.dumps(GOOD)), Sample(response='{"summary": 1}')]
    check_evaluator(JsonContract, task=Task("answer", contract), samples=samples)


_DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["items", "extra"]), inner),
    max_leaves=8,
)


@given(st.text() | _DOCUMENTS.map(json.dumps))
def test_any_text_and_any_document_has_a_score_in_range(response: str) -> None:
    for contract in (None, CONTRACT):
        assert fault_in(_score(response, contract), None) is None
