"""List the API keys of an app."""

from sqlalchemy import Engine

from service.store.api_keys import StoredKey
from service.store.api_keys import list_api_keys as list_stored
from service.store.known_apps import require_app


def list_api_keys(engine: Engine, app_name: str) -> list[StoredKey]:
    """All keys of the app, revoked ones too, oldest first.

    Raises:
        UnknownAppError: There is no such app.
    """
    with engine.connect() as connection:
        return list_stored(connection, require_app(connection, app_name).id)
