"""What holds for every call inside a `with`: the session, and what a wrapped client cannot be told.

One context variable, so that it follows the code as context variables do: into awaited coroutines
and asyncio tasks, not into threads, unless those are started with `contextvars.copy_context()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType


class Surroundings:
    """The context manager of `session()` and `context()`; what the outer ones state holds on. One
    may be entered many times, also within itself and by several tasks at once."""

    def __init__(
        self,
        *,
        session_id: object = None,
        user_id: object = None,
        trace_id: object = None,
        task: str = "",
        prompt_version: str = "",
        attributes: Mapping[str, object] | None = None,
    ) -> None:
        self.session_id = session_id
        self.user_id = user_id
        self.trace_id = trace_id
        self.task = task
        self.prompt_version = prompt_version
        self.attributes = copied_attributes(attributes)
        self.sample_id: str | None = None
        """Of the latest call that a wrapped client began inside; for `signal()`."""

    def __enter__(self) -> Surroundings:
        if not ENTERED:
            ENTERED.append(True)
        AROUND.set(Around(self, AROUND.get()))
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        around = AROUND.get()
        while around is not None and around.stated_by is not self:
            around = around.outer
        if around is not None:  # else left in another context than entered, as a generator may
            AROUND.set(around.outer)


class Around:
    """What holds at one place of the code, of all that it is inside of."""

    __slots__ = (
        *("attributes", "outer", "prompt_version", "session_id", "stated_by", "task", "trace_id"),
        "user_id",
    )

    def __init__(self, inner: Surroundings, outer: Around | None) -> None:
        self.stated_by = inner
        self.outer = outer
        held: Surroundings | Around = inner if outer is None else outer
        self.session_id: object = held.session_id if inner.session_id is None else inner.session_id
        self.user_id: object = held.user_id if inner.user_id is None else inner.user_id
        self.trace_id: object = held.trace_id if inner.trace_id is None else inner.trace_id
        self.task: str = inner.task or held.task
        self.prompt_version: str = inner.prompt_version or held.prompt_version
        self.attributes: dict[str, object] = {**held.attributes, **inner.attributes}

    def note_sample(self, sample_id: str) -> None:
        within: Around | None = self
        while within is not None:
            within.stated_by.sample_id = sample_id
            within = within.outer


def copied_attributes(attributes: object) -> dict[str, object]:
    """A dict that can be added to; empty where `attributes` is no mapping after all."""
    try:
        return dict(attributes) if attributes else {}  # type: ignore[call-overload]
    except Exception:  # a mapping of the app's own
        return {}


ENTERED: list[bool] = []
"""Empty while no app code has been inside any: `record()` need not look then, which costs it a
tenth where caches are cold."""
AROUND: ContextVar[Around | None] = ContextVar("watchkeeper_surroundings", default=None)
