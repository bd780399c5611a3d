"""Revoke an API key: one that leaked, or that nobody uses any more."""

from datetime import datetime

from sqlalchemy import Engine

from service.domain.api_keys import ApiKey
from service.errors import NotFoundError
from service.store.api_keys import list_api_keys
from service.store.api_keys import revoke_api_key as revoke_stored
from service.store.known_apps import require_app


class UnknownApiKeyError(NotFoundError):
    """The app has no such key."""


def revoke_api_key(engine: Engine, app_name: str, prefix: str, *, now: datetime) -> str:
    """Refuse the key from the next request on; returns the part of it that may be shown.

    Args:
        engine: the database.
        app_name: the app that the key is for.
        prefix: the first characters, as they are listed; the whole key will do.
        now: when.

    Raises:
        UnknownAppError: There is no such app.
        UnknownApiKeyError: No live key of the app begins like that.
    """
    shown = ApiKey(prefix.removesuffix("...")).shown
    with engine.begin() as connection:
        app = require_app(connection, app_name)
        if not revoke_stored(connection, app.id, shown, now=now):
            stored = list_api_keys(connection, app.id)
            live = ", ".join(key.prefix for key in stored if key.revoked_at is None) or "none"
            raise UnknownApiKeyError(
                f"No key of '{app_name}' that is in use begins with '{shown}'. In use: {live}"
            )
    return shown
