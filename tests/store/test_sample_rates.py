from sqlalchemy import Engine

from evaluators import registry
from service.domain.sampling import SampleRates
from service.flows.apply_declarations import apply_declarations
from service.store.apps import find_app
from service.store.sample_rates import read_sample_rates
from tests.declared import NOW, declare_app

DOCUMENTS = """
apiVersion: watchkeeper/v1
kind: App
metadata: {name: support}
spec: {team: care, sampleRate: 0.1, retention: {samplesDays: 14}}
---
apiVersion: watchkeeper/v1
kind: Task
metadata: {name: answer}
spec: {app: support, sampleRate: 0.5}
---
apiVersion: watchkeeper/v1
kind: Task
metadata: {name: summarise}
spec: {app: support}
"""


def declare(engine: Engine, text: str) -> tuple[SampleRates, int | None]:
    """What the store says of the app after these declarations."""
    apply_declarations(engine, registry.load(), [("a.yaml", text)], {}, now=NOW)
    with engine.connect() as connection:
        app = find_app(connection, "support")
        assert app is not None
        return read_sample_rates(connection, app.id), app.samples_retention_days


def test_declared_rates_and_retention_are_stored(engine: Engine) -> None:
    rates, days = declare(engine, DOCUMENTS)
    assert rates == SampleRates(0.1, {"answer": 0.5})
    assert (rates.of("answer"), rates.of("summarise"), days) == (0.5, 0.1, 14)


def test_what_is_declared_no_more_holds_no_more(engine: Engine) -> None:
    declare(engine, DOCUMENTS)
    bare = DOCUMENTS.replace(", sampleRate: 0.1, retention: {samplesDays: 14}", "")
    assert declare(engine, bare.replace(", sampleRate: 0.5", "")) == (SampleRates(), None)


def test_an_app_without_rates_leaves_them_to_itself(engine: Engine) -> None:
    app = declare_app(engine)
    with engine.connect() as connection:
        assert read_sample_rates(connection, app.id) == SampleRates(None, {})
