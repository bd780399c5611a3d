"""Additions to the OpenAPI document: bodies that we read ourselves, and problem details."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

_REFERENCE = "#/components/schemas/{model}"
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def json_body_of(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of an endpoint that reads this JSON body by itself."""
    schema = {"$ref": _REFERENCE.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of an endpoint that answers these statuses with problem details."""
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    content = {"application/problem+json": {"schema": schema}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def describe(app: FastAPI, *models: type[BaseModel]) -> None:
    """Put the schemas of these models, and of problems, into the application's document."""
    document = app.openapi()
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    for model in models:
        schema = model.model_json_schema(ref_template=_REFERENCE)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
