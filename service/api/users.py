"""`DELETE /v1/users/{user_id}`: forget one user of the app."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.convertors import StringConvertor, register_url_convertor

from service.api.dependencies import Eraser, WithResources
from service.api.openapi import problems_of
from service.api.schemas.users import ForgottenOut
from service.api.schemas.words import Name
from service.flows.forget_user import forget_user


class _AnyText(StringConvertor):
    """An id may hold slashes and line ends, which the framework's own kinds do not take."""

    regex = "(?s:.*)"


register_url_convertor("any_text", _AnyText())
router = APIRouter(prefix="/v1/users", tags=["users"])


@router.delete("/{user_id:any_text}", responses=problems_of(401, 403, 422, 503))
def delete_user(
    user_id: Annotated[Name, Path()], eraser: Eraser, resources: WithResources
) -> ForgottenOut:
    """Remove what the user asked, was answered and did. Counts and the numbers of scores stay."""
    forgotten = forget_user(resources.engine, eraser.app, user_id, now=resources.clock())
    return ForgottenOut.model_validate(forgotten)
