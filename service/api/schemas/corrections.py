"""The JSON of corrections: minutes that count neither for an SLO nor against it."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from service.api.schemas.words import Name, Text
from service.domain.corrections import REASON_CHARACTERS, Correction, CorrectionScope


class CorrectionIn(BaseModel):
    """Which minutes, of which SLOs, why, and who says so. Without a scope: all of the app."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "starts_at": "2026-11-25T22:00:00Z",
                "ends_at": "2026-11-25T23:30:00Z",
                "environment": "production",
                "reason": "Planned move of the vector store, ticket 4711",
                "author": "Ann",
            }
        },
    )

    starts_at: AwareDatetime
    ends_at: AwareDatetime
    reason: Annotated[Text, Field(min_length=1, max_length=REASON_CHARACTERS)]
    author: Name
    environment: Name | None = None
    task: Name | None = None
    slo: Name | None = None

    @property
    def scope(self) -> CorrectionScope:
        """Which SLOs it holds for."""
        return CorrectionScope(self.environment, self.task, self.slo)


class CorrectionOut(BaseModel):
    """A correction; it holds unless `revoked_at` is set."""

    id: int
    app: str
    environment: str | None
    task: str | None
    slo: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str
    author: str
    created_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None

    @classmethod
    def of(cls, correction: Correction) -> "CorrectionOut":
        """The correction as JSON."""
        return cls(
            id=correction.id,
            app=correction.app,
            environment=correction.scope.environment,
            task=correction.scope.task,
            slo=correction.scope.slo,
            starts_at=correction.starts_at,
            ends_at=correction.ends_at,
            reason=correction.reason,
            author=correction.author,
            created_at=correction.created_at,
            revoked_at=correction.revoked_at,
            revoked_by=correction.revoked_by,
        )


class CorrectionListOut(BaseModel):
    """The last added first."""

    corrections: list[CorrectionOut]
    next_before: int | None
    """Give this as `before` to go on; null at the end."""
