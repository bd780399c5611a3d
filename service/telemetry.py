"""Logs and metrics. Neither ever holds a prompt, an answer or a key."""

import logging
import sys
import traceback
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy.exc import DBAPIError

ingested_samples = Counter(
    "watchkeeper_ingested_samples", "Samples posted, by what became of them", ["outcome"]
)
scored_samples = Counter("watchkeeper_scored_samples", "Samples scored")
evaluator_failures = Counter(
    "watchkeeper_evaluator_failures", "Samples on which an evaluator raised", ["evaluator"]
)
scoring_backlog = Gauge("watchkeeper_scoring_backlog_samples", "Samples waiting to be scored")
job_seconds = Histogram("watchkeeper_job_seconds", "Duration of timetable jobs", ["job"])
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


def described(error: Exception) -> dict[str, str]:
    """An error for a log line: its kind and place; the text of a database error may quote rows."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        return {"error": type(error.orig).__name__, "sqlstate": str(state)}
    *_, last = traceback.extract_tb(error.__traceback__)
    return {"error": repr(error), "at": f"{Path(last.filename).name}:{last.lineno}"}
