import pytest
from sqlalchemy import Engine

from service.store.known_apps import UnknownAppError, require_app
from tests.declared import declare_app


def test_an_app_is_found_by_its_name(engine: Engine) -> None:
    app = declare_app(engine)
    with engine.connect() as connection:
        assert require_app(connection, app.name) == app


@pytest.mark.parametrize(("declared", "known"), [(False, "none yet"), (True, "support")])
def test_an_unknown_one_is_refused_with_those_that_there_are(
    engine: Engine, declared: bool, known: str
) -> None:
    if declared:
        declare_app(engine)
    with (
        engine.connect() as connection,
        pytest.raises(UnknownAppError, match=rf"no app 'suport'.*Known apps: {known}$"),
    ):
        require_app(connection, "suport")
