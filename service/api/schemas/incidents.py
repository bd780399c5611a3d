"""The JSON of incidents."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.schemas.words import Name, Text

NOTE_CHARACTERS = 4_000
LARGEST_ID = 2**63 - 1

Identifier = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Note = Annotated[Text, Field(max_length=NOTE_CHARACTERS)]


class AcknowledgeIn(BaseModel):
    """Who takes care of it."""

    model_config = ConfigDict(extra="forbid")

    by: Name


class ResolveIn(AcknowledgeIn):
    """Who ends it, and what they found."""

    note: Note = ""


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class IncidentOut(_Out):
    """A problem of one task."""

    id: int
    problem: str
    app: str
    environment: str
    task: str
    severity: Literal["page", "ticket"]
    status: Literal["open", "acknowledged", "resolved"]
    title: str
    summary: str
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    reopenings: int
    """How often its fault came back soon after its alerts had cleared."""


class IncidentListOut(BaseModel):
    """The newest first."""

    incidents: list[IncidentOut]
    next_before: int | None
    """Give this as `before` to go on; null at the end."""


class AlertOut(_Out):
    """One source's firing condition; cleared where `cleared_at` is set."""

    source: str
    severity: Literal["page", "ticket"]
    sentence: str
    evidence: dict[str, Any]
    started_at: datetime
    cleared_at: datetime | None


class IncidentEventOut(_Out):
    """One entry of the timeline."""

    at: datetime
    kind: str
    actor: str
    text: str
    evidence: dict[str, Any]


class IncidentRecordOut(_Out):
    """An incident with all that happened to it."""

    incident: IncidentOut
    alerts: list[AlertOut]
    timeline: list[IncidentEventOut]
