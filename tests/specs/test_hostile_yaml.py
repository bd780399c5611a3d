"""Documents that were written to break the reader are refused, in time and with a line."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from service.specs.parse_declarations import parse_declarations
from service.specs.problems import InvalidDeclarationError, Problem
from tests.specs.written import KNOWN, SEPARATE, V2, an_slo

SLO = yaml.safe_dump(an_slo(), sort_keys=False)


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(InvalidDeclarationError) as caught:
        parse_declarations([("d.yaml", text)], {}, KNOWN)
    return caught.value.problems


def bomb(pattern: str) -> str:
    lines = ["a0: &a0 {k0: x}"]
    lines += [
        f"a{n}: &a{n} {pattern.format(n=n, all=', '.join([f'*a{n - 1}'] * 9))}"
        for n in range(1, 30)
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("kind: SLO\nkind: SLO", 2, "the key 'kind' is given twice"),
        ("a: 1\nb: 2026-99-99", 2, "month must be in 1..12"),
        ("a: 1\n\nb: " + "9" * 5000, 3, "Exceeds the limit"),
        ("a: 1\nb: '\x00'", 2, "which YAML does not allow"),
        ("a: 1\nb: [", 2, "valid YAML"),
        ("a: 1\nb: !!python/object:os.system {}", 2, "could not determine a constructor"),
        ("a: *nobody", 1, "undefined alias"),
        ("a: 1\n? [b]\n: 1", 2, "unhashable key"),
        (bomb("[{all}]"), 1, "too much"),
        (bomb("{{<<: [{all}], k{n}: y}}"), 1, "kind: found nothing"),
        ("a: &a {<<: *a, b: 1}", 1, "kind: found nothing"),
        ("&a [*a]", 1, "too much"),
    ],
)
def test_a_hostile_document_is_refused(text: str, line: int, told: str) -> None:
    found = problems(text)
    assert any(told in str(problem) for problem in found)
    assert found[0].line == line
    assert len(str(found)) < 100_000


def test_a_list_of_bombs_is_refused_once() -> None:
    big = f"- &a [{', '.join(['x'] * 60_000)}]\n"
    assert len(problems(big + "- *a\n" * 1000)) <= 3


@pytest.mark.parametrize(
    "value",
    [
        "0x" + "f" * 5000,
        "1.0e+400",
        "-.inf",
        ".nan",
        "2026-01-01",
        "12:30:45",
        '"\\0"',
        '"\\ud800"',
        "~",
        "[]",
        "{}",
        "!!binary aGVsbG8=",
        "!!set {a}",
    ],
)
def test_no_value_breaks_a_place(value: str) -> None:
    for place in ("target: 0.99", "duration: 28d", "name: given", "service: support"):
        text = SLO.replace(place, f"{place.split(':')[0]}: {value}")
        assert text != SLO
        found = problems(text)
        assert all(problem.line > 0 and len(str(problem)) < 1000 for problem in found)


def test_lines_are_counted_through_documents_and_merges() -> None:
    text = f"{SLO}---\n{SLO.replace('given', 'other')}"
    text = text[: text.rindex("target: 0.99")] + "target: 2\n"
    (found,) = problems(text)
    assert (found.line, found.document) == (text.count("\n"), 2)
    assert text.splitlines()[found.line - 1].strip() == "- target: 2"


LINES = st.lists(st.integers(0, 60), min_size=1, max_size=4)
PIECES = st.sampled_from(
    ["", "  x: 1", "- a", "    kind: AlertPolicy", "{", "&a [*a]", "spec:", "spec: 3", "---"]
)


@given(st.sampled_from([SEPARATE, V2, SLO]), LINES, PIECES)
def test_however_lines_are_broken_the_answer_is_clear(
    text: str, places: list[int], piece: str
) -> None:
    lines = text.splitlines()
    for place in places:
        lines[place % len(lines)] = piece
    try:
        outcome: object = parse_declarations([("f.yaml", "\n".join(lines))], {}, KNOWN)
    except InvalidDeclarationError as error:
        outcome = error.problems
    assert outcome
    if isinstance(outcome, tuple):
        assert all(1 <= problem.line <= len(lines) + 1 for problem in outcome)
