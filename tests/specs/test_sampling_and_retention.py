import pytest

from service.specs.declarations import Declarations
from service.specs.parse_declarations import parse_declarations
from service.specs.problems import InvalidDeclarationError

DOCUMENTS = """
apiVersion: watchkeeper/v1
kind: App
metadata: {name: support}
spec: {team: care, sampleRate: 0.1, retention: {samplesDays: 14}}
---
apiVersion: watchkeeper/v1
kind: Task
metadata: {name: answer}
spec: {app: support, sampleRate: 1}
"""


def parse(text: str = DOCUMENTS) -> Declarations:
    return parse_declarations([("a.yaml", text)], {})


def test_rates_and_retention_are_read() -> None:
    (app,), (task,) = parse().apps, parse().tasks
    assert (app.sample_rate, app.samples_retention_days, task.sample_rate) == (0.1, 14, 1.0)


def test_what_is_not_said_stays_open() -> None:
    text = DOCUMENTS.replace(", sampleRate: 0.1, retention: {samplesDays: 14}", "")
    (app,), (task,) = parse(text).apps, parse(text.replace(", sampleRate: 1", "")).tasks
    assert (app.sample_rate, app.samples_retention_days, task.sample_rate) == (None, None, None)


@pytest.mark.parametrize("rate", ["0", "0.00001", "1"])
def test_rates_from_none_to_all_are_allowed(rate: str) -> None:
    (app,) = parse(DOCUMENTS.replace("sampleRate: 0.1", f"sampleRate: {rate}")).apps
    assert app.sample_rate == float(rate)


@pytest.mark.parametrize("rate", ["1.1", "-0.1", "0.000001", ".nan", ".inf"])
def test_other_rates_are_refused_with_what_is_allowed(rate: str) -> None:
    with pytest.raises(InvalidDeclarationError) as caught:
        parse(DOCUMENTS.replace("sampleRate: 0.1", f"sampleRate: {rate}"))
    assert "spec.sampleRate: found" in str(caught.value)
    assert "allowed: 0, or a number from 0.00001 to 1" in str(caught.value)


@pytest.mark.parametrize(
    ("retention", "allowed"),
    [
        ("{samplesDays: 0}", "allowed: a number from 1 on"),
        ("{samplesDays: 7.5}", "allowed: a whole number, not quoted"),
        ('{samplesDays: "7"}', "allowed: a whole number, not quoted"),
        ("{samplesDays: 9999}", "allowed: a number up to 3650"),
        ("{sampleDays: 7}", "did you mean 'samplesDays'?"),
        ("{}", "this field is required"),
        ("7d", "allowed: a mapping"),
    ],
)
def test_a_retention_that_cannot_be_is_refused(retention: str, allowed: str) -> None:
    with pytest.raises(InvalidDeclarationError) as caught:
        parse(DOCUMENTS.replace("{samplesDays: 14}", retention))
    assert allowed in str(caught.value)
