"""Additions to the OpenAPI document: bodies that we read ourselves, and problem details."""

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI

from service.api.otlp_openapi import SCHEMAS, otlp_paths
from service.api.schemas import examples
from service.api.schemas.batches import BatchIn, SignalBatchIn
from service.api.schemas.receipts import ReceiptOut

_REFERENCE = "#/components/schemas/{model}"
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of an endpoint that answers these statuses with problem details."""
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    content = {"application/problem+json": {"schema": schema}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def describe(app: FastAPI) -> None:
    """Complete the application's document: routes beside the framework, and problems."""
    document = app.openapi()
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    _, ours = msgspec.json.schema_components(
        [BatchIn, SignalBatchIn, ReceiptOut], ref_template=_REFERENCE.replace("model", "name")
    )
    schemas.update(ours)
    schemas.update(SCHEMAS)
    mixed = "Store a batch of samples, call counts and signals."
    for path, operation in (
        *otlp_paths().items(),
        ("/v1/samples", _post(mixed, _content("BatchIn", examples.BATCH))),
        (
            "/v1/signals",
            _post("Store a batch of signals.", _content("SignalBatchIn", examples.SIGNAL_BATCH)),
        ),
    ):
        document["paths"].setdefault(path, {}).update(operation)


def _content(model: str, example: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=model)}
    return {"application/json": {"schema": schema, "example": example}}


def _post(summary: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = {"description": "Stored", "content": _content("ReceiptOut", examples.RECEIPT)}
    problems = problems_of(400, 401, 403, 413, 415, 422, 429, 503)
    return {
        "post": {
            "tags": ["ingestion"],
            "summary": summary,
            "description": "The answer leaves after the commit.",
            "requestBody": {"required": True, "content": body},
            "responses": {"202": answer} | {str(status): of for status, of in problems.items()},
        }
    }
