"""Create an API key for an app."""

import secrets
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, Engine

from service.domain.api_keys import ApiKey, Scope
from service.errors import NotFoundError
from service.store.api_keys import add_api_key
from service.store.apps import App, find_app, list_apps

ONLY_INGEST: tuple[Scope, ...] = ("ingest",)


class UnknownAppError(NotFoundError):
    """There is no such app."""


def create_api_key(
    engine: Engine,
    app_name: str,
    *,
    scopes: Collection[Scope] = ONLY_INGEST,
    rate_limit_per_s: float | None = None,
    now: datetime,
) -> ApiKey:
    """A new key; this is the only time that it can be seen."""
    key = ApiKey.from_random(secrets.token_urlsafe(32))
    with engine.begin() as connection:
        app = require_app(connection, app_name)
        add_api_key(
            connection,
            app_id=app.id,
            key=key,
            scopes=scopes,
            rate_limit_per_s=rate_limit_per_s,
            now=now,
        )
    return key


def require_app(connection: Connection, name: str) -> App:
    """The app of that name.

    Raises:
        UnknownAppError: There is none; says which there are.
    """
    app = find_app(connection, name)
    if app is None:
        known = ", ".join(known.name for known in list_apps(connection)) or "none yet"
        raise UnknownAppError(
            f"There is no app '{name}'; declare it with: watchkeeper apply -f DIR. "
            f"Known apps: {known}"
        )
    return app
