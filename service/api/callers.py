"""Who calls: API keys, what they may do, and how fast."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from time import monotonic

from sqlalchemy import Engine

from service.domain.api_keys import ApiKey, Scope
from service.domain.rate_limits import admit
from service.domain.sampling import SampleRates
from service.errors import WatchkeeperError
from service.store.api_keys import LiveKey, find_live_key, note_uses
from service.store.apps import App
from service.store.sample_rates import read_sample_rates

REMEMBERED_S = 5.0
"""How long a key is known without asking. A revoked one stores nothing even then: whether it is
still in force is asked again in the transaction that stores."""
_USE_NOTED_EVERY_S = 60.0


class InvalidApiKeyError(WatchkeeperError):
    """A valid API key is needed."""

    status = HTTPStatus.UNAUTHORIZED


class MissingScopeError(WatchkeeperError):
    """The key may not do this."""

    status = HTTPStatus.FORBIDDEN


class WrongAppError(WatchkeeperError):
    """The key belongs to another app."""

    status = HTTPStatus.FORBIDDEN


class RateLimitError(WatchkeeperError):
    """The key sends faster than it may."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Caller:
    """The app that a request comes from, by its key."""

    key: LiveKey
    sample_rates: SampleRates

    @property
    def app(self) -> App:
        """Whose key it is."""
        return self.key.app

    def require(self, scope: Scope) -> "Caller":
        """This caller, if it may do that.

        Raises:
            MissingScopeError: saying how to make a key that may.
        """
        if scope not in self.key.scopes:
            raise MissingScopeError(
                f"This key may not {scope}; one that may is made with: "
                f"watchkeeper keys create --app {self.app.name} --scope {scope}"
            )
        return self

    def require_app(self, name: str | None) -> None:
        """Refuse what is sent for another app.

        Raises:
            WrongAppError: It is.
        """
        if name not in (None, self.app.name):
            raise WrongAppError(
                f"This key is for the app '{self.app.name}', the request for another"
            )


@dataclass(slots=True)
class Callers:
    """The keys that one process has met."""

    engine: Engine
    clock: Callable[[], datetime]
    limit_per_s: float | None
    clock_s: Callable[[], float] = monotonic
    """Seconds since any moment, whatever is done to the machine's clock."""
    _known: dict[bytes, tuple[Caller, float]] = field(default_factory=dict)
    _done_at_s: dict[int, float] = field(default_factory=dict)
    _use_noted_s: dict[int, float] = field(default_factory=dict)

    def remembered(self, authorization: str) -> Caller | None:
        """Who it is, if that was asked a moment ago."""
        caller, until = self._known.get(_key_in(authorization).hash, (None, 0.0))
        return caller if self.clock_s() < until else None

    def look_up(self, authorization: str) -> Caller:
        """Who it is, by the database.

        Raises:
            InvalidApiKeyError: No header, or a key that is not in force.
        """
        key_hash = _key_in(authorization).hash
        with self.engine.connect() as connection:
            key = find_live_key(connection, key_hash)
            if key is None:
                self._known.pop(key_hash, None)
                raise InvalidApiKeyError(
                    "This key is unknown or revoked; create one with: "
                    "watchkeeper keys create --app APP"
                )
            caller = Caller(key, read_sample_rates(connection, key.app.id))
        self._known[key_hash] = (caller, self.clock_s() + REMEMBERED_S)
        return caller

    def forget(self, key_ids: Collection[int]) -> None:
        """Ask again who these are."""
        self._known = {
            key_hash: (caller, until)
            # A copy: other threads look keys up meanwhile.
            for key_hash, (caller, until) in list(self._known.items())
            if caller.key.id not in key_ids
        }

    def admit(self, caller: Caller, items: int) -> None:
        """Count the items against the key's limit, in this process.

        Raises:
            RateLimitError: saying when to send again.
        """
        per_s = caller.key.rate_limit_per_s or self.limit_per_s
        if per_s is None:
            return
        state, wait_s = admit(
            self._done_at_s.get(caller.key.id, 0.0), items, per_s=per_s, now_s=self.clock_s()
        )
        self._done_at_s[caller.key.id] = state
        if wait_s:
            raise RateLimitError(
                f"This key may bring in {per_s:g} items a second; nothing of this request was "
                "stored; send it again later",
                retry_after_s=math.ceil(wait_s),
            )

    def uses_to_note(self, key_ids: Collection[int]) -> dict[int, datetime]:
        """Which of these keys' uses are to be written down now: each once a minute."""
        now_s = self.clock_s()
        due = [
            key_id
            for key_id in key_ids
            if now_s >= self._use_noted_s.get(key_id, -math.inf) + _USE_NOTED_EVERY_S
        ]
        self._use_noted_s |= dict.fromkeys(due, now_s)
        return dict.fromkeys(due, self.clock())

    def note_use(self, caller: Caller) -> None:
        """Write a use down that stores nothing else."""
        due = self.uses_to_note([caller.key.id])
        if due:
            with self.engine.begin() as connection:
                note_uses(connection, due)


def _key_in(authorization: str) -> ApiKey:
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise InvalidApiKeyError("Send the app's key as: Authorization: Bearer wk_...")
    return ApiKey(secret.strip())
