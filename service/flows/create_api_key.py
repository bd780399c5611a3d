"""Create an API key for an app."""

import secrets
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Engine

from service.domain.api_keys import ApiKey, Scope
from service.store.api_keys import add_api_key
from service.store.known_apps import require_app

ONLY_INGEST: tuple[Scope, ...] = ("ingest",)


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
