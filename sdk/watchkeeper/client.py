"""The client that an app holds."""

from __future__ import annotations

import os
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from time import time
from types import TracebackType

from watchkeeper import lifecycle
from watchkeeper.backoff import Backoff
from watchkeeper.calls import error_type_of, snapshot
from watchkeeper.capture import Capture
from watchkeeper.ledger import FlushResult, Stats
from watchkeeper.masks import Mask, as_masks
from watchkeeper.pipeline import Pipeline
from watchkeeper.rates import SampleRate
from watchkeeper.settings import Settings, spool_folder
from watchkeeper.signals import signal_now
from watchkeeper.surroundings import AROUND, ENTERED

_FOREVER_S = 86_400.0 * 365  # threads cannot wait for infinity


class Watchkeeper(Capture):
    """Hands the calls of one app to a Watchkeeper server. Make one per process and keep it.

    Every call is counted; `sample_rate` of them, and every error, are sent whole. Sending happens
    on a thread of its own; nothing here blocks or raises, but for ValueError from the constructor.

    url: address of the server.  api_key: key of the app.
    sample_rate: share of calls kept whole, 0 to 1, or shares by task, "*" for the others; calls of
        one session are kept or left together. What the server states goes before it.
    mask: from text to text, or several such: applied to every text before it leaves; see `masks`.
    capture_input, capture_output: False keeps prompts, or responses and references, from leaving.
    flush_at, flush_interval: a batch leaves at this many samples, or after this many seconds.
    max_queue, max_queue_bytes: samples that wait at most, and bytes of text in them, before being
        written out and again after; beyond it the oldest are dropped, never their counts.
    spool: a directory in which batches wait until the server has answered, also beyond the end of
        the process; the next process of the app sends them.  spool_max_bytes: what a process may
        have waiting there; beyond it the samples of the oldest batches are dropped, then counts.
    proxy: address of an HTTP proxy, "" for none; if not given, HTTP_PROXY, HTTPS_PROXY and NO_PROXY
        say it, for any server but one on this very machine.
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
        sample_rate: SampleRate = 1.0,
        flush_at: int = 100,
        flush_interval: float = 2.0,
        max_queue: int = 10_000,
        max_queue_bytes: int = 64 * 1024 * 1024,
        proxy: str | None = None,
        timeout: float = 10.0,
        exit_timeout: float = 2.0,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        spool: str | os.PathLike[str] | None = None,
        spool_max_bytes: int = 256 * 1024 * 1024,
        mask: Mask | Sequence[Mask] | None = None,
        capture_input: bool = True,
        capture_output: bool = True,
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
            max_queue_bytes=max_queue_bytes,
            proxy=proxy,
            timeout=timeout,
            exit_timeout=exit_timeout,
            backoff=backoff,
            enabled=enabled,
            masks=as_masks(mask),
            capture_input=capture_input,
            capture_output=capture_output,
            spool=spool_folder(spool),
            spool_max_bytes=spool_max_bytes,
        )
        self._settings.check()
        self._inherited: list[Pipeline] = []
        self._pipeline = self._new_pipeline()
        self._intake = self._pipeline.intake
        self._hooks = lifecycle.Hooks(
            before_fork=lambda: self._pipeline.before_fork(),
            after_fork=lambda: self._pipeline.after_fork(),
            renew=self._renew,
            close=self._close_at_exit,
        )
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

    def record(  # type: ignore[override]  # its arguments are spelled out here
        self,
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
        attributes: Mapping[str, object] | None = None,
        called_at: datetime | None = None,
        sample_id: str | uuid.UUID | None = None,
        flag: bool = False,
        trace_id: str | uuid.UUID | None = None,
    ) -> None:
        """Records one call of a model. Name the arguments: their order may change.

        prompt, response, reference: text; lists and dicts are sent as JSON, the rest by `str()`.
        error: an exception, its name, or True makes the outcome "error". Of an exception only the
            type is sent.
        called_at: now, if not given; a naive time is taken as UTC.
        flag: keep this call whole, whatever the sample rate.
        trace_id: calls of one trace are kept or left together, unless they have a session_id.
        """
        # The app's thread does no more than this: everything else waits for the sender's. Where
        # caches are cold every memory line counts: arguments that were keyword-only would have
        # their defaults looked up in a dict, one by one.
        if error is not None:
            error = error_type_of(error)
        if type(prompt) is not str or type(response) is not str:
            prompt, response = snapshot(prompt), snapshot(response)
        if attributes is not None:
            attributes = snapshot(attributes)  # type: ignore[assignment]
        if reference is not None:
            reference = snapshot(reference)
        if ENTERED and (around := AROUND.get()) is not None:
            session_id = around.session_id if session_id is None else session_id  # type: ignore[assignment]
            user_id = around.user_id if user_id is None else user_id  # type: ignore[assignment]
            trace_id = around.trace_id if trace_id is None else trace_id  # type: ignore[assignment]
        intake = self._intake
        queue = intake.queue
        # fmt: off
        queue.append((
            time(), called_at, task, model, prompt_version, error, input_tokens, output_tokens,
            cost_usd, latency_ms, prompt, response, reference, finish_reason, session_id, user_id,
            attributes, sample_id, flag, trace_id,
        ))
        # fmt: on
        if len(queue) > intake.alarm:
            intake.attend()

    def signal(
        self,
        sample_id: str | uuid.UUID,
        kind: str,
        value: str | float | bool | None = None,
        *,
        task: str = "",
        session_id: str | uuid.UUID | None = None,
        user_id: str | uuid.UUID | None = None,
        signalled_at: datetime | None = None,
    ) -> None:
        """Says what a user did with an answer: it may come long after its call, or before.

        kind: "thumbs" (value 1 or -1), "correction" (value: the corrected text), "regenerated",
            "abandoned", or any other word.
        """
        if self._settings.enabled:
            signal = signal_now(sample_id, kind, value, task, session_id, user_id, signalled_at)
            self._pipeline.add_signal(signal)

    def flush(self, timeout: float | None = 10.0) -> FlushResult:
        """Sends everything recorded so far; waits for the server's answer, `timeout` seconds at
        most (None: as long as it takes). Call it from a thread, not from an event loop."""
        return self._pipeline.flush(_FOREVER_S if timeout is None else timeout)

    def shutdown(self, timeout: float = 10.0) -> FlushResult:
        """Sends everything recorded so far, gives up what is left after `timeout` seconds, and
        ends the thread. Calls recorded afterwards are dropped, and counted as dropped."""
        try:
            return self._pipeline.shutdown(timeout)
        finally:
            lifecycle.release(self._hooks)

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
        self._pipeline.leave_to_parent()
        self._inherited.append(self._pipeline)
        self._pipeline = self._new_pipeline()
        self._intake = self._pipeline.intake

    def _close_at_exit(self) -> None:
        self.shutdown(self._settings.exit_timeout)

    def _is_on(self) -> bool:
        return self._settings.enabled

    def _note_failed_source(self, field: str, error: Exception) -> None:
        self._pipeline.ledger.book_repairs([field])
        self._pipeline.troubles.tell(
            field, "observe: %s= raised %s; recorded without", field, type(error).__name__
        )

    def _note_unread(self, field: str, error: Exception) -> None:
        self._pipeline.ledger.book_repairs([field])
        self._pipeline.troubles.tell(
            field, "wrap: %s cannot be read (%s); recorded without", field, type(error).__name__
        )

    def _note_unknown_client(self, kind: type) -> None:
        self._pipeline.troubles.tell("wrap", "wrap: not a known client: %s", kind.__name__)
