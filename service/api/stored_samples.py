"""`GET /v1/samples`: what is stored, for whoever may read it."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.api.cursors import read_cursor, write_cursor
from service.api.dependencies import Reader, WithResources
from service.api.openapi import problems_of
from service.api.schemas.stored_samples import (
    StoredSamplesIn,
    StoredSamplesOut,
    describe_sample,
    encode,
)
from service.store.exported_samples import read_page, read_scores

router = APIRouter(prefix="/v1/samples", tags=["samples"])


@router.get("", response_model=StoredSamplesOut, responses=problems_of(401, 403, 422, 503))
def get_samples(
    reader: Reader, asked: Annotated[StoredSamplesIn, Query()], resources: WithResources
) -> Response:
    """The app's samples, page by page; prompts and answers are people's words: treat them so."""
    wanted = asked.wanted
    query = f"{reader.app.id} {asked.order} {wanted}"
    after = read_cursor(asked.cursor, query=query) if asked.cursor is not None else None
    with resources.engine.connect() as connection:
        page = read_page(
            connection, reader.app.id, wanted, order=asked.order, limit=asked.limit, after=after
        )
        scores = read_scores(connection, reader.app.id, page.samples) if asked.include else None
    answer = {
        "samples": [describe_sample(sample, scores) for sample in page.samples],
        "next_cursor": write_cursor(page.ends_at, query=query) if page.ends_at else None,
    }
    return Response(
        encode(answer), media_type="application/json", headers={"Cache-Control": "no-store"}
    )
