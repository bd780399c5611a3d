"""Puts the parts together: the only module that knows them all."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import Engine, text

from evaluators import registry
from service.api import (
    corrections,
    gate,
    incidents,
    instances,
    otlp,
    problems,
    reports,
    samples,
    slos,
    stored_samples,
    users,
)
from service.api.application import Api
from service.api.bodies import LimitBodies
from service.api.callers import Callers
from service.api.dependencies import Resources, WithResources
from service.api.intake import Intake, Room
from service.api.openapi import describe
from service.api.otlp_problems import StatusForExporters
from service.jobs.timetable import Bench
from service.notify.webhook import WebhookSender
from service.settings import Settings, environment
from service.store.apps import retention_of
from service.web import pages
from service.web.error_pages import ErrorPages

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""What the library for metrics reads to know whether, and where, processes count together."""


def utc_now() -> datetime:
    """The clock of a running service."""
    return datetime.now(UTC)


def build_api(
    engine: Engine, settings: Settings, *, clock: Callable[[], datetime] = utc_now
) -> FastAPI:
    """The HTTP application: JSON edge and pages."""
    app = Api(title="Watchkeeper", version="0.1.0", short_ways=samples.ENDPOINTS)
    app.state.resources = _resources(engine, settings, clock)
    problems.install(app)
    app.add_middleware(LimitBodies, max_bytes=settings.max_body_bytes)
    app.add_middleware(StatusForExporters)
    app.add_middleware(ErrorPages)  # the last one is the outermost: it sees every answer
    app.router.routes.extend([*samples.ROUTES, *otlp.ROUTES])
    for part in (
        corrections,
        gate,
        incidents,
        instances,
        pages,
        reports,
        slos,
        stored_samples,
        users,
    ):
        app.include_router(part.router)
    app.add_api_route("/healthz", _alive, include_in_schema=False)
    app.add_api_route("/readyz", _ready, include_in_schema=False)
    app.add_api_route("/metrics", _metrics, include_in_schema=False)
    describe(app)
    return app


def _resources(engine: Engine, settings: Settings, clock: Callable[[], datetime]) -> Resources:
    callers = Callers(engine, clock, settings.rate_limit_per_s)
    return Resources(
        engine=engine,
        registry=registry.load(),
        settings=settings,
        clock=clock,
        callers=callers,
        intake=Intake(
            engine,
            callers,
            clock=clock,
            retention_of=lambda app: retention_of(app, default=settings.samples_retention),
        ),
        room=Room(settings.max_waiting_bytes),
        careful=CapacityLimiter(1),
    )


@contextmanager
def open_bench(
    engine: Engine, settings: Settings, *, clock: Callable[[], datetime] = utc_now
) -> Iterator[Bench]:
    """What a worker works with."""
    with closing(WebhookSender()) as webhook:
        yield Bench(
            engine=engine,
            registry=registry.load(),
            senders={"webhook": webhook},
            settings=settings,
            clock=clock,
        )


def _metrics() -> Response:
    counted: CollectorRegistry = REGISTRY
    if environment().get(METRICS_FOLDER):  # several processes count together
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    return Response(generate_latest(counted), media_type=CONTENT_TYPE_LATEST)


def _alive() -> PlainTextResponse:
    return PlainTextResponse("alive\n")


def _ready(resources: WithResources) -> PlainTextResponse:
    with resources.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return PlainTextResponse("ready\n")
