"""Logs and metrics. Neither ever holds a prompt, an answer or a key."""

import logging
import sys
import traceback
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge, Histogram

from service.errors import WatchkeeperError

ingested_samples = Counter(
    "watchkeeper_ingested_samples", "Samples posted, by what became of them", ["outcome"]
)
scored_samples = Counter("watchkeeper_scored_samples", "Samples scored")
evaluator_failures = Counter(
    "watchkeeper_evaluator_failures", "Samples on which an evaluator raised", ["evaluator"]
)
# Where several processes count together, each worker measures the same: the latest is right.
scoring_backlog = Gauge(
    "watchkeeper_scoring_backlog_samples",
    "Samples waiting to be scored",
    multiprocess_mode="mostrecent",
)
scoring_wait = Gauge(
    "watchkeeper_scoring_oldest_wait_seconds",
    "How long the oldest waiting sample has been here unscored; 0 where none waits",
    multiprocess_mode="mostrecent",
)
scoring_set_aside = Gauge(
    "watchkeeper_scoring_set_aside_samples",
    "Samples whose scoring was given up (see: jobs list)",
    multiprocess_mode="mostrecent",
)
job_seconds = Histogram("watchkeeper_job_seconds", "Duration of timetable jobs", ["job"])
evaluators_not_in_force = Counter(
    "watchkeeper_evaluators_not_in_force",
    "Times that a declared evaluator could not be built",
    ["evaluator"],
)
heartbeat_at = Gauge(
    "watchkeeper_heartbeat_timestamp_seconds",
    "When SLOs were last evaluated; it stands still when that stops",
    multiprocess_mode="mostrecent",
)
heartbeat_failures = Counter(
    "watchkeeper_heartbeat_failures", "Heartbeats that did not reach their receiver"
)
slo_failures = Counter("watchkeeper_slo_failures", "Evaluations of an SLO that raised")
job_failures = Counter("watchkeeper_job_failures", "Timetable jobs that raised", ["job"])


def configure_logs() -> None:
    """Lines for people on a terminal, JSON elsewhere; to standard error."""
    on_terminal = sys.stderr.isatty()
    rendered: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            rendered,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries: warnings and worse only; an access log would only repeat the app's own.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")


_OURS = Path(__file__).parent


def described(error: BaseException) -> dict[str, str]:
    """An error for a log line: its kind and place.

    Its text only where it is written for logs, or the system's: any other may quote what the error
    is about, which can be a row, a prompt or an answer. PostgreSQL says "Failing row contains", a
    failed encoding or validation holds its whole input.
    """
    cause = getattr(error, "orig", None) or error  # SQLAlchemy wraps the driver's
    seen = {"error": type(cause).__name__, "at": _place(error)}
    if sqlstate := getattr(cause, "sqlstate", None):
        seen["sqlstate"] = str(sqlstate)
    if isinstance(cause, WatchkeeperError | OSError):
        seen["text"] = str(cause)
    return seen


def traced(error: BaseException) -> list[str]:
    """The calls that led to an error, and to what caused it; kinds and places, no texts."""
    lines: list[str] = []
    met: BaseException | None = error
    while met is not None:
        lines.append(type(met).__name__)
        lines += [f"  {_spelled(frame)}" for frame in traceback.extract_tb(met.__traceback__)]
        met = met.__cause__ or (None if met.__suppress_context__ else met.__context__)
    return lines


def _place(error: BaseException) -> str:
    """Where in our code it came up, or where at all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_OURS)]
    return _spelled((ours or frames)[-1]) if frames else "?"


def _spelled(frame: traceback.FrameSummary) -> str:
    return f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
