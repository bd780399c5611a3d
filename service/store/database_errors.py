"""What an error of the database means for its caller: try again, or not."""

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

UNIQUE_VIOLATION = "23505"
CHECK_VIOLATION = "23514"
NUMBER_OUT_OF_RANGE = "22003"
_OTHERS_WRITE_THE_SAME = ("40",)
"""Class 40: two transactions cannot both be right (deadlock, serialization failure)."""
_AWAY = ("08", "53", "57", "55P03")
"""Connection, resources, operator's intervention (also: cancelled), lock not available."""


def sqlstate_of(error: DBAPIError) -> str | None:
    """PostgreSQL's code; None where the server did not answer at all.

    https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    return getattr(error.orig, "sqlstate", None)


def is_contention(error: BaseException) -> bool:
    """Whether it was only that others wrote the same rows at the same time."""
    return isinstance(error, DBAPIError) and _starts(error, _OTHERS_WRITE_THE_SAME)


def is_transient(error: BaseException) -> bool:
    """Whether the same statements can succeed later: nothing is wrong with what was asked."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    without_server = error.connection_invalidated or (
        sqlstate_of(error) is None and type(error.orig).__name__ == "OperationalError"
    )
    return without_server or _starts(error, _AWAY + _OTHERS_WRITE_THE_SAME)


def _starts(error: DBAPIError, prefixes: tuple[str, ...]) -> bool:
    return (sqlstate_of(error) or "").startswith(prefixes)
