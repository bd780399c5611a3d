"""Additions to the OpenAPI document: bodies that we read ourselves, and problem details."""

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI

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
    for path, operation in (
        ("/v1/samples", _post("Store a batch of samples, call counts and signals.", "BatchIn")),
        ("/v1/signals", _post("Store a batch of signals.", "SignalBatchIn")),
    ):
        document["paths"].setdefault(path, {}).update(operation)


def _post(summary: str, body: str) -> dict[str, Any]:
    def content(model: str) -> dict[str, Any]:
        return {"application/json": {"schema": {"$ref": _REFERENCE.format(model=model)}}}

    answer = {"description": "Stored", "content": content("ReceiptOut")}
    problems = problems_of(400, 401, 403, 413, 415, 422, 429, 503)
    return {
        "post": {
            "tags": ["ingestion"],
            "summary": summary,
            "description": "The answer leaves after the commit.",
            "requestBody": {"required": True, "content": content(body)},
            "responses": {"202": answer} | {str(status): of for status, of in problems.items()},
        }
    }
