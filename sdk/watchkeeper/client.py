"""The client that an app holds."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from time import time
from types import TracebackType
from typing import Any, Callable, TypeVar, Union

from watchkeeper import lifecycle
from watchkeeper.backoff import Backoff
from watchkeeper.call import error_type_of, snapshot
from watchkeeper.ledger import FlushResult, Stats
from watchkeeper.observe import Source, observe_calls
from watchkeeper.pipeline import Pipeline
from watchkeeper.settings import Settings

_Function = TypeVar("_Function", bound=Callable[..., Any])
_FOREVER_S = 86_400.0 * 365  # threads cannot wait for infinity
Attributes = Mapping[str, Union[str, float, bool]]


class Watchkeeper:
    """Hands the calls of one app to a Watchkeeper server. Make one per process and keep it.

    Every call is counted; `sample_rate` of them, and every error, are sent whole. Sending happens
    on a thread of its own; nothing here blocks or raises, but for ValueError from the constructor.

    url: address of the server.  api_key: key of the app.
    sample_rate: share of calls kept whole, 0 to 1; calls of one session are kept or left together.
    flush_at, flush_interval: a batch leaves at this many samples, or after this many seconds.
    max_queue: samples that wait at most, before being written out and again after; beyond it the
        oldest are dropped, never their counts.
    timeout: seconds for one request.  exit_timeout: seconds for sending the rest at exit.
    enabled: False makes every method do nothing.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        app: str,
        environment: str = "production",
        release: str = "",
        sample_rate: float = 1.0,
        flush_at: int = 100,
        flush_interval: float = 2.0,
        max_queue: int = 10_000,
        timeout: float = 10.0,
        exit_timeout: float = 2.0,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        enabled: bool = True,
    ) -> None:
        self._settings = Settings(
            url=url,
            api_key=api_key,
            app=app,
            environment=environment,
            release=release,
            sample_rate=sample_rate,
            flush_at=flush_at,
            flush_interval=flush_interval,
            max_queue=max_queue,
            timeout=timeout,
            exit_timeout=exit_timeout,
            backoff=backoff,
            enabled=enabled,
        )
        self._settings.check()
        self._inherited: list[Pipeline] = []
        self._pipeline = self._new_pipeline()
        self._intake = self._pipeline.intake
        self._hooks = lifecycle.Hooks(renew=self._renew, close=self._close_at_exit)
        if enabled:
            lifecycle.keep(self._hooks)

    def __repr__(self) -> str:
        known = self._settings
        return f"Watchkeeper({known.url!r}, app={known.app!r}, environment={known.environment!r})"

    def __enter__(self) -> Watchkeeper:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown()

    def record(
        self,
        *,
        task: str,
        prompt: object = None,
        response: object = None,
        model: str = "",
        prompt_version: str = "",
        error: object = None,
        latency_ms: float | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_usd: float | None = None,
        reference: object = None,
        finish_reason: str | None = None,
        session_id: str | uuid.UUID | None = None,
        user_id: str | uuid.UUID | None = None,
        attributes: Attributes | None = None,
        called_at: datetime | None = None,
        sample_id: str | uuid.UUID | None = None,
    ) -> None:
        """Records one call of a model.

        prompt, response, reference: text; lists and dicts are sent as JSON, the rest by `str()`.
        error: an exception, its name, or True makes the outcome "error". Of an exception only the
            type is sent.
        called_at: now, if not given; a naive time is taken as UTC.
        """
        # The app's thread does no more than this: everything else waits for the sender's.
        if error is not None:
            error = error_type_of(error)
        if type(prompt) is not str:
            prompt = snapshot(prompt)
        if type(response) is not str:
            response = snapshot(response)
        if attributes is not None:
            attributes = snapshot(attributes)  # type: ignore[assignment]
        intake = self._intake
        queue = intake.queue
        queue.append(
            (
                time(),
                called_at,
                task,
                model,
                prompt_version,
                error,
                input_tokens,
                output_tokens,
                cost_usd,
                prompt,
                response,
                reference,
                latency_ms,
                finish_reason,
                session_id,
                user_id,
                attributes,
                sample_id,
            )
        )
        if len(queue) > intake.alarm:
            intake.attend()

    def observe(
        self,
        *,
        task: str,
        model: str = "",
        prompt_version: str = "",
        prompt: Source | None = None,
        response: Callable[[Any], object] | None = None,
        session_id: str | Source | None = None,
        user_id: str | Source | None = None,
        attributes: Attributes | None = None,
    ) -> Callable[[_Function], _Function]:
        """Decorates a function, coroutine function or (async) generator function: each call of it
        is recorded with its latency; an exception is recorded as an error and raised on unchanged.

        prompt: called with the function's arguments; by default the first one, `self` aside.
        response: called with the return value (of a generator: the list of what it yielded); by
            default that value itself (the yielded texts joined).
        session_id, user_id: a text, or called with the function's arguments.
        """
        if not self._settings.enabled:
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
            from_arguments={"prompt": prompt, "session_id": session_id, "user_id": user_id},
            response=response,
        )

    def flush(self, timeout: float | None = 10.0) -> FlushResult:
        """Sends everything recorded so far; waits for the server's answer, `timeout` seconds at
        most (None: as long as it takes). Call it from a thread, not from an event loop."""
        return self._pipeline.flush(_FOREVER_S if timeout is None else timeout)

    def shutdown(self, timeout: float = 10.0) -> FlushResult:
        """Sends everything recorded so far, gives up what is left after `timeout` seconds, and
        ends the thread. Calls recorded afterwards are dropped, and counted as dropped."""
        lifecycle.release(self._hooks)
        return self._pipeline.shutdown(timeout)

    def stats(self) -> Stats:
        """Where every call recorded in this process went."""
        return self._pipeline.stats()

    def _new_pipeline(self) -> Pipeline:
        pipeline = Pipeline(self._settings)
        if not self._settings.enabled:
            # A queue that holds nothing and an alarm that never rings: record() needs no check
            pipeline.intake.queue = deque(maxlen=0)
            pipeline.intake.alarm = 0
        return pipeline

    def _renew(self) -> None:
        # The parent sends what it has recorded, so the child begins with nothing. The old parts
        # are kept, unused: another thread may have held their locks while the process forked, and
        # finalizing the connections would wait for one.
        self._inherited.append(self._pipeline)
        self._pipeline = self._new_pipeline()
        self._intake = self._pipeline.intake

    def _close_at_exit(self) -> None:
        self.shutdown(self._settings.exit_timeout)

    def _note_failed_source(self, field: str, error: Exception) -> None:
        self._pipeline.ledger.book_repairs([field])
        self._pipeline.troubles.tell(
            field, "observe: %s= raised %s; recorded without", field, type(error).__name__
        )
