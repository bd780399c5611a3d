"""What holds for every call inside a `with`: the session, and what a wrapped client cannot be told.

One context variable, so that it follows the code as context variables do: into awaited coroutines
and asyncio tasks, not into threads, unless those are started with `contextvars.copy_context()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType


class Surroundings:
    """The context manager of `session()` and `context()`; what the outer ones state holds on."""

    def __init__(
        self,
        *,
        session_id: object = None,
        user_id: object = None,
        task: str = "",
        prompt_version: str = "",
        attributes: Mapping[str, object] | None = None,
    ) -> None:
        self.session_id = session_id
        self.user_id = user_id
        self.task = task
        self.prompt_version = prompt_version
        self.attributes = copied_attributes(attributes)
        self.sample_id: str | None = None
        """Of the latest call that a wrapped client began inside; for `signal()`."""
        self._outer: Surroundings | None = None
        self._token: Token[Surroundings | None] | None = None

    def __enter__(self) -> Surroundings:
        if not ENTERED:
            ENTERED.append(True)
        outer = self._outer = AROUND.get()
        if outer is not None:
            self.session_id = outer.session_id if self.session_id is None else self.session_id
            self.user_id = outer.user_id if self.user_id is None else self.user_id
            self.task = self.task or outer.task
            self.prompt_version = self.prompt_version or outer.prompt_version
            self.attributes = {**outer.attributes, **self.attributes}
        self._token = AROUND.set(self)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        token, self._token = self._token, None
        try:
            if token is not None:
                AROUND.reset(token)
        except ValueError:  # left in another context than entered, as a generator may
            AROUND.set(self._outer)

    def note_sample(self, sample_id: str) -> None:
        within: Surroundings | None = self
        while within is not None:
            within.sample_id = sample_id
            within = within._outer


def copied_attributes(attributes: object) -> dict[str, object]:
    """A dict that can be added to; empty where `attributes` is no mapping after all."""
    try:
        return dict(attributes) if attributes else {}  # type: ignore[call-overload]
    except Exception:  # a mapping of the app's own
        return {}


ENTERED: list[bool] = []
"""Empty while no app code has been inside any: `record()` need not look then, which costs it a
tenth where caches are cold."""
AROUND: ContextVar[Surroundings | None] = ContextVar("watchkeeper_surroundings", default=None)
