"""`POST /v1/samples`: where calls come in."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from service import telemetry
from service.api.bodies import read_body
from service.api.dependencies import Caller, Resources, WithResources
from service.api.openapi import json_body_of, problems_of
from service.api.schemas.samples import BatchIn, ReceiptOut, parse_batch
from service.errors import WatchkeeperError
from service.flows.ingest_samples import ingest_samples
from service.store.apps import App

router = APIRouter(prefix="/v1", tags=["ingestion"])


class WrongAppError(WatchkeeperError):
    """The key belongs to another app."""

    status = HTTPStatus.FORBIDDEN


@router.post(
    "/samples",
    status_code=HTTPStatus.ACCEPTED,
    response_model=ReceiptOut,
    responses=problems_of(400, 401, 403, 413, 415, 422, 503),
    openapi_extra=json_body_of(BatchIn),
)
async def post_samples(request: Request, caller: Caller, resources: WithResources) -> ReceiptOut:
    """Store a batch of samples and call counts. The answer leaves after the commit."""
    body = await read_body(request, max_bytes=resources.settings.max_body_bytes)
    return await run_in_threadpool(_ingest, body, caller, resources)


def _ingest(body: bytes, caller: App, resources: Resources) -> ReceiptOut:
    batch = parse_batch(body, max_items=resources.settings.max_samples_per_batch)
    if batch.app not in (None, caller.name):
        raise WrongAppError(f"This key is for the app '{caller.name}', the batch for another one")
    receipt = ingest_samples(
        resources.engine,
        caller,
        batch,
        now=resources.clock(),
        retention=resources.settings.samples_retention,
    )
    for outcome in ("accepted", "duplicate", "rejected"):
        telemetry.ingested_samples.labels(outcome).inc(getattr(receipt, outcome))
    return ReceiptOut.model_validate(receipt)
