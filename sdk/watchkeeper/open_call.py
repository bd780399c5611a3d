"""A call under way: filled in as its parts become known, recorded when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from datetime import datetime, timezone
from time import perf_counter
from types import TracebackType
from typing import Callable, TypeVar

from watchkeeper.calls import snapshot
from watchkeeper.sample_ids import new_sample_id
from watchkeeper.surroundings import copied_attributes

TIME_TO_FIRST_TOKEN = "time_to_first_token_ms"  # noqa: S105 - an attribute's name


_Self = TypeVar("_Self", bound="OpenCall")


class OpenCall:
    """What `with wk.call(...) as call:` yields; recorded, with its latency, when the block ends.

    Every field can be set until then. An exception that leaves the block makes the outcome an
    error, and goes on unchanged; `call.error = ...` does so without one. It is a plain `with` in
    async code too: nothing here waits.
    """

    __slots__ = (
        "_began_s",
        "_called_at",
        "_current",
        "_is_flagged",
        "_record",
        "_sample_id",
        "attributes",
        "cost_usd",
        "error",
        "finish_reason",
        "input_tokens",
        "is_over",
        "model",
        "output_tokens",
        "prompt",
        "prompt_version",
        "reference",
        "response",
        "session_id",
        "task",
        "trace_id",
        "user_id",
    )

    def __init__(
        self,
        record: Callable[..., None],
        *,
        task: str,
        prompt: object = None,
        model: str = "",
        prompt_version: str = "",
        session_id: object = None,
        user_id: object = None,
        attributes: Mapping[str, object] | None = None,
        sample_id: object = None,
        trace_id: object = None,
    ) -> None:
        self.task = task
        # A list of messages has the answer appended before this ends
        self.prompt = prompt if type(prompt) is str else snapshot(prompt)
        self.model = model
        self.prompt_version = prompt_version
        self.session_id = session_id
        self.user_id = user_id
        self.trace_id = trace_id
        self.attributes = copied_attributes(attributes)
        self.response: object = None
        self.reference: object = None
        self.error: object = None
        self.finish_reason: str | None = None
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.cost_usd: float | None = None
        self._record = record
        self._sample_id = sample_id
        self._is_flagged = False
        self.is_over = False
        self._current: Current | None = None
        self._called_at = datetime.now(timezone.utc)
        self._began_s: float | None = perf_counter()

    @property
    def sample_id(self) -> str:
        """Known before the call ends: keep it where a user's reaction may come back with it."""
        if self._sample_id is None:
            self._sample_id = new_sample_id(self._called_at.timestamp())
        return str(self._sample_id)

    def usage(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_usd: float | None = None,
    ) -> None:
        """States what the call took; what is not given stays as it was."""
        self.input_tokens = self.input_tokens if input_tokens is None else input_tokens
        self.output_tokens = self.output_tokens if output_tokens is None else output_tokens
        self.cost_usd = self.cost_usd if cost_usd is None else cost_usd

    def first_token(self) -> None:
        """The first piece of the answer has come: only the first time counts."""
        if TIME_TO_FIRST_TOKEN not in self.attributes:
            self.attributes[TIME_TO_FIRST_TOKEN] = self.elapsed_ms()

    def flag(self) -> None:
        """This call is to be kept whole, whatever the sample rate."""
        self._is_flagged = True

    def elapsed_ms(self) -> float | None:
        return None if self._began_s is None else (perf_counter() - self._began_s) * 1000

    def takes_unknown_time(self) -> None:
        """Its end will not be seen: recorded without a latency."""
        self._began_s = None

    def end(self, error: object = None) -> None:
        """Records the call, once; `error` goes before what was set."""
        if self.is_over:
            return
        self.is_over = True
        self._record(
            task=self.task,
            prompt=self.prompt,
            response=self.response,
            model=self.model,
            prompt_version=self.prompt_version,
            error=self.error if error is None else error,
            latency_ms=self.elapsed_ms(),
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_usd=self.cost_usd,
            reference=self.reference,
            finish_reason=self.finish_reason,
            session_id=self.session_id,
            user_id=self.user_id,
            attributes=self.attributes or None,
            called_at=self._called_at,
            sample_id=self._sample_id,
            flag=self._is_flagged,
            trace_id=self.trace_id,
        )

    def current(self) -> Current:
        """For a `with` in which this is the current call, and which does not end it."""
        return Current(self)

    def __enter__(self: _Self) -> _Self:
        self._current = Current(self)
        self._current.__enter__()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._current is not None:
            self._current.__exit__()
        # A generator that is closed has served its consumer: no error
        self.end(None if isinstance(error, GeneratorExit) else error)


class Current:
    """A `with` around the code that belongs to a call."""

    __slots__ = ("_call", "_token")

    def __init__(self, call: OpenCall) -> None:
        self._call = call
        self._token: Token[OpenCall | None] | None = None

    def __enter__(self) -> None:
        self._token = CURRENT.set(self._call)

    def __exit__(self, *_error: object) -> None:
        try:
            if self._token is not None:
                CURRENT.reset(self._token)
        except (ValueError, RuntimeError):
            pass  # left in another context than entered, as a generator may be, or left twice


CURRENT: ContextVar[OpenCall | None] = ContextVar("watchkeeper_call", default=None)


def current_call() -> OpenCall:
    """The innermost `with wk.call(...)` or `@observe` around the caller. Where there is none, a
    call that is recorded nowhere and whose `sample_id` is empty: the app need not ask first."""
    return CURRENT.get() or OpenCall(_nowhere, task="", sample_id="")


def _nowhere(**fields: object) -> None:
    """Records nothing."""
