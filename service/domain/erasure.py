"""What is removed when an app asks to forget one of its users."""

from dataclasses import astuple, dataclass

from service.errors import InvalidInputError


class UnusableUserIdError(InvalidInputError):
    """No user can have this id."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows of each were removed; of scores, how many lost their explanation.

    >>> Forgotten(samples=1) + Forgotten(samples=2, signals=1)
    Forgotten(samples=3, sessions=0, signals=1, scores=0)
    """

    samples: int = 0
    sessions: int = 0
    signals: int = 0
    scores: int = 0

    def __add__(self, other: "Forgotten") -> "Forgotten":
        return Forgotten(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def require_user_id(user_id: str) -> str:
    """The id, if a user can have it; the error does not repeat it.

    Raises:
        UnusableUserIdError: It is empty, or is no text that can be stored.
    """
    if not user_id or "\0" in user_id or any("\ud800" <= c <= "\udfff" for c in user_id):
        raise UnusableUserIdError("Give the id of a user, as the app sends it in user_id")
    return user_id
