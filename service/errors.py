"""Every error that a caller can meet: what went wrong, and what to do about it.

The API turns a `WatchkeeperError` into problem details (RFC 9457), the command line into one line.
"""

from http import HTTPStatus


class WatchkeeperError(Exception):
    """Base of all our errors. The message is written for the person who reads it at 3 a.m."""

    status: HTTPStatus = HTTPStatus.INTERNAL_SERVER_ERROR
    retry_after_s: int | None = None

    @property
    def title(self) -> str:
        """The short name of the problem, the same for every occurrence: the class's first line."""
        return (self.__doc__ or type(self).__name__).strip().splitlines()[0].rstrip(".")

    @property
    def slug(self) -> str:
        """The last part of the problem's `type` URI, e.g. `unknown-team`."""
        name = type(self).__name__.removesuffix("Error")
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")


class NotFoundError(WatchkeeperError):
    """What was asked for does not exist."""

    status = HTTPStatus.NOT_FOUND


class InvalidInputError(WatchkeeperError):
    """The input cannot be used as it is."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class ConflictError(WatchkeeperError):
    """Somebody else changed this first; read it again."""

    status = HTTPStatus.CONFLICT


class UnavailableError(WatchkeeperError):
    """The service cannot do this right now; try again."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after_s = 5
