"""Apps that somebody asks for by name: found, or refused with the names that there are."""

from sqlalchemy import Connection

from service.errors import NotFoundError
from service.store.apps import App, find_app, list_apps


class UnknownAppError(NotFoundError):
    """There is no such app."""


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
