"""One call of a provider under way: what was asked, what came back, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import Context, copy_context
from typing import Any, Callable, NamedTuple

from watchkeeper.open_call import OpenCall
from watchkeeper.providers import open_streams
from watchkeeper.providers.shape import Answer, Gathering, Shape, get
from watchkeeper.providers.streams import observe_stream
from watchkeeper.surroundings import AROUND

_RAW_RESPONSE = "X-Stainless-Raw-Response"  # set by with_raw_response, with_streaming_response


class Recorder(NamedTuple):
    """Where calls go, and what they are recorded with unless `context()` says otherwise."""

    record: Callable[..., None]
    failed: Callable[[str, Exception], None]
    """Told what could not be read; the call is recorded without it."""
    task: str
    prompt_version: str = ""
    session_id: object = None
    user_id: object = None
    attributes: Mapping[str, object] | None = None
    trace_id: object = None


class ProviderCall:
    """Nothing here raises: what cannot be read is missing from the record, and counted."""

    def __init__(self, recorder: Recorder, shape: Shape, arguments: dict[str, Any]) -> None:
        self._failed = recorder.failed
        self._shape = shape
        self._arguments = arguments
        self._gathering: Gathering | None = None
        self._context: Context | None = None
        self.is_reading = False
        """A piece of the stream is being waited for."""
        self._call = _opened(recorder, shape.api, arguments)
        try:
            self._call.prompt = shape.prompt(arguments)
        except Exception as error:
            recorder.failed("prompt", error)

    def raised(self, error: BaseException) -> None:
        """The call, or its stream, failed: recorded with what had come until then."""
        self._end(self._gathered(), error)

    def returned(self, result: Any) -> Any:
        """What to give the app: `result`, which records its own end if it is a stream."""
        try:
            raw = get(get(self._arguments, "extra_headers"), _RAW_RESPONSE)
            if raw is not None:
                streams = raw == "stream" or self._arguments.get("stream")
                self._end_raw(result, is_whole=not streams)
                return result
            if self._arguments.get("stream") and _can_be_iterated(result):
                return self.streams(result)
            self._end(self._shape.read(result))
        except Exception as error:
            self._failed("response", error)
            self._end(Answer())
        return result

    def streams(self, stream: Any) -> Any:
        """The answer comes in pieces: recorded when the last one has, or none is wanted any more.

        That may be in another context, even in a finalizer; the record belongs to this one.
        """
        self._gathering = self._shape.gathering()
        self._context = copy_context()
        open_streams.keep(self)
        return observe_stream(stream, self)

    def piece(self, piece: Any) -> None:
        try:
            if self._gathering is not None and self._gathering.add(piece):
                self._call.first_token()
        except Exception as error:
            self._failed("response", error)

    def disown(self) -> None:
        """In a forked child: the call is the parent's to record."""
        self._call.is_over = True

    def finished(self) -> None:
        self._end(self._gathered())

    def abandoned(self) -> None:
        """The app has enough: no error. A stream that is over is closed too, which is no news."""
        if not self.is_reading and not self._call.is_over:
            self._call.attributes["stream_abandoned"] = True
            self._end(self._gathered())

    def _gathered(self) -> Answer:
        try:
            return Answer() if self._gathering is None else self._gathering.answer()
        except Exception as error:
            self._failed("response", error)
            return Answer()

    def _end_raw(self, result: Any, *, is_whole: bool) -> None:
        """The app reads the HTTP response itself. A body that is there already can be read twice;
        one that is still to come cannot, and how long it takes is not known here."""
        if is_whole:
            self._end(self._shape.read(json.loads(result.http_response.content)))
        else:
            self._call.takes_unknown_time()
            self._end(Answer())

    def _end(self, answer: Answer, error: BaseException | None = None) -> None:
        try:
            self._fill_in(answer)
        except Exception as problem:
            self._failed("response", problem)
        ending = answer.error if error is None else error
        if self._context is None:
            self._call.end(ending)
        else:
            open_streams.release(self)
            self._context.run(self._call.end, ending)

    def _fill_in(self, answer: Answer) -> None:
        call = self._call
        if answer.model and answer.model != call.model:
            call.attributes["requested_model"] = call.model
            call.model = answer.model  # type: ignore[assignment]
        if answer.response_id:
            call.attributes["response_id"] = answer.response_id
        if answer.cached_input_tokens:
            call.attributes["cached_input_tokens"] = answer.cached_input_tokens
        call.response = answer.text
        call.input_tokens = answer.input_tokens
        call.output_tokens = answer.output_tokens
        call.finish_reason = answer.finish_reason


def _can_be_iterated(result: object) -> bool:
    return hasattr(result, "__next__") or hasattr(result, "__anext__")


def _opened(recorder: Recorder, api: str, arguments: Mapping[str, Any]) -> OpenCall:
    around = AROUND.get()
    call = OpenCall(
        recorder.record,
        task=recorder.task or api,
        model=arguments.get("model", ""),
        prompt_version=recorder.prompt_version,
        session_id=recorder.session_id,
        user_id=recorder.user_id,
        attributes=recorder.attributes,
        trace_id=recorder.trace_id,
    )
    if around is not None:
        call.task = around.task or call.task
        call.prompt_version = around.prompt_version or call.prompt_version
        call.session_id = around.session_id or call.session_id
        call.user_id = around.user_id or call.user_id
        call.trace_id = around.trace_id or call.trace_id
        call.attributes.update(around.attributes)
        around.note_sample(call.sample_id)
    return call
