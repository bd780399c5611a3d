"""What endpoints are handed: the database, the clock, the settings, the caller's app."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine

from evaluators.registry import Registry
from service.domain.api_keys import ApiKey
from service.errors import WatchkeeperError
from service.settings import Settings
from service.store.apps import App, find_app_of_key


class InvalidApiKeyError(WatchkeeperError):
    """A valid API key is needed."""

    status = HTTPStatus.UNAUTHORIZED


@dataclass(frozen=True, slots=True)
class Resources:
    """What one API process works with; kept in `app.state.resources`."""

    engine: Engine
    registry: Registry
    settings: Settings
    clock: Callable[[], datetime]


def _resources(request: Request) -> Resources:
    resources = request.app.state.resources
    assert isinstance(resources, Resources)  # noqa: S101 - set by wiring
    return resources


WithResources = Annotated[Resources, Depends(_resources)]


def _caller(request: Request, resources: WithResources) -> App:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise InvalidApiKeyError("Send the app's key as: Authorization: Bearer wk_...")
    with resources.engine.connect() as connection:
        app = find_app_of_key(connection, ApiKey(secret.strip()).hash)
    if app is None:
        raise InvalidApiKeyError(
            "This key is unknown or revoked; create one with: watchkeeper keys create --app APP"
        )
    return app


Caller = Annotated[App, Depends(_caller)]
