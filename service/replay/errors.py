"""What can end a replay before its last row."""

from difflib import get_close_matches

from service.errors import InvalidInputError, UnavailableError, WatchkeeperError


class ReplayUsageError(InvalidInputError):
    """The replay was asked for in a way that cannot work."""


class UnreadableLogError(InvalidInputError):
    """The log cannot be read."""


class LogChangedError(WatchkeeperError):
    """The log changed while it was replayed."""


class JournalError(WatchkeeperError):
    """The journal of the replay cannot be used."""


class ServerUnreachableError(UnavailableError):
    """The server could not be reached, or kept on answering that it is busy."""


class ServerRefusedError(WatchkeeperError):
    """The server refused the replay as a whole."""


class BatchRefusedError(ServerRefusedError):
    """The server refused a batch as a whole, and stored nothing of it."""


class PartlyRejectedError(WatchkeeperError):
    """The server took some of the calls, and rejected others."""


def unknown_name(what: str, name: str, known: list[str]) -> str:
    """A sentence for a name that is not there: the closest match, and the names that are.

    >>> unknown_name("column", "modle", ["id", "model"])
    "There is no column 'modle'. Did you mean 'model'? There are: 'id', 'model'."
    """
    close = get_close_matches(name, known, n=1)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    return f"There is no {what} {name!r}.{guess} There are: {', '.join(map(repr, known))}."
