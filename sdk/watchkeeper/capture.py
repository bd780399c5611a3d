"""The ways of capturing calls that end in `record()`, and what surrounds a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, TypeVar

from watchkeeper.observed import Source, observe_calls
from watchkeeper.open_call import OpenCall, current_call
from watchkeeper.providers import Recorder, recorded_client
from watchkeeper.surroundings import Surroundings

_Client = TypeVar("_Client")
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Capture:
    """What a client of one app and the module-level default client have in common."""

    def record(self, *, task: str, **fields: Any) -> None:
        raise NotImplementedError

    def observe(
        self,
        *,
        task: str = "",
        model: str = "",
        prompt_version: str = "",
        prompt: Source | None = None,
        response: Callable[[Any], object] | None = None,
        session_id: str | Source | None = None,
        user_id: str | Source | None = None,
        trace_id: str | Source | None = None,
        attributes: Mapping[str, object] | None = None,
    ) -> Callable[[_Function], _Function]:
        """Decorates a function, coroutine function or (async) generator function: each call of it
        is recorded with its latency; an exception is recorded as an error and raised on unchanged.

        task: the name of the function, if not given.
        prompt: called with the function's arguments; by default the first one, `self` aside.
        response: called with the return value (of a generator: the list of what it yielded); by
            default that value itself (the yielded texts joined).
        session_id, user_id, trace_id: a text, or called with the function's arguments.

        Inside the function `current_call()` gives access to the call, and to its `sample_id`.
        """
        if not self._is_on():
            return lambda function: function
        return observe_calls(
            self.record,
            self._note_failed_source,
            fixed={
                "task": task,
                "model": model,
                "prompt_version": prompt_version,
                "attributes": attributes,
            },
            from_arguments={
                "prompt": prompt,
                "session_id": session_id,
                "user_id": user_id,
                "trace_id": trace_id,
            },
            response=response,
        )

    def call(
        self,
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
    ) -> OpenCall:
        """For `with wk.call(...) as call:`; fill in `call.response`, `call.usage(...)` and whatever
        else is known. Recorded when the block ends, with its latency and, if there is one, its
        exception.
        """
        return OpenCall(
            self.record,
            task=task,
            prompt=prompt,
            model=model,
            prompt_version=prompt_version,
            session_id=session_id,
            user_id=user_id,
            attributes=attributes,
            sample_id=sample_id,
            trace_id=trace_id,
        )

    def current_call(self) -> OpenCall:
        """The innermost `with wk.call(...)` or `@observe` around the caller, to fill in more, or to
        take its `sample_id`. Where there is none, a call that is recorded nowhere."""
        return current_call()

    def wrap(
        self,
        client: _Client,
        *,
        task: str = "",
        prompt_version: str = "",
        session_id: object = None,
        user_id: object = None,
        attributes: Mapping[str, object] | None = None,
        trace_id: object = None,
    ) -> _Client:
        """A copy of a client of OpenAI, Anthropic or of the same shape, sync or async, that records
        each `chat.completions`, `responses` and `messages` call, streams included. `client` itself
        stays as it is. `context()` overrides the task and the rest for some of the calls; where
        neither names a task, it is "chat", "responses" or "messages", after the API.

        A client of another shape is given back as it is, with a line in the log.
        """
        if not self._is_on():
            return client
        recorder = Recorder(
            self.record,
            self._note_unread,
            task,
            prompt_version,
            session_id,
            user_id,
            attributes,
            trace_id,
        )
        recorded = recorded_client(client, recorder)
        if recorded is None:
            self._note_unknown_client(type(client))
            return client
        return recorded

    def session(self, session_id: object, *, user_id: object = None) -> Surroundings:
        """`with wk.session("..."):` calls inside belong to that session, unless they say otherwise.
        In async code too; other threads do not see it."""
        return Surroundings(session_id=session_id, user_id=user_id)

    def context(
        self,
        *,
        task: str = "",
        prompt_version: str = "",
        attributes: Mapping[str, object] | None = None,
        session_id: object = None,
        user_id: object = None,
        trace_id: object = None,
    ) -> Surroundings:
        """`with wk.context(task=...) as context:` says of wrapped clients' calls inside what their
        own arguments cannot; the ids hold for every call inside. `context.sample_id` is that of
        the latest call of a wrapped client, for `signal()`."""
        return Surroundings(
            task=task,
            prompt_version=prompt_version,
            attributes=attributes,
            session_id=session_id,
            user_id=user_id,
            trace_id=trace_id,
        )

    def _is_on(self) -> bool:
        raise NotImplementedError

    def _note_failed_source(self, field: str, error: Exception) -> None:
        raise NotImplementedError

    def _note_unread(self, field: str, error: Exception) -> None:
        raise NotImplementedError

    def _note_unknown_client(self, kind: type) -> None:
        raise NotImplementedError
