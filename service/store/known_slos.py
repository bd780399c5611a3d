"""SLOs that somebody asks for by name: found, or refused with the names that there are."""

from sqlalchemy import Connection

from service.errors import NotFoundError
from service.store.slos import StoredSlo, find_slo, list_slos


class UnknownSloError(NotFoundError):
    """There is no such SLO."""


def require_slo(
    connection: Connection, app: str, name: str, *, or_archived: bool = False
) -> StoredSlo:
    """The app's SLO of that name.

    Raises:
        UnknownSloError: There is none; says which there are.
    """
    found = find_slo(connection, app, name, or_archived=or_archived)
    if found is None:
        # Of this app only: who asks by a key may not learn of others.
        names = ", ".join(each.slo.name for each in list_slos(connection, app=app)) or "none"
        raise UnknownSloError(f"There is no SLO '{name}' of the app '{app}'; it has: {names}")
    return found
