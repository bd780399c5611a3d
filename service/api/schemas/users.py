"""The JSON of forgetting a user."""

from pydantic import BaseModel, ConfigDict


class ForgottenOut(BaseModel):
    """How many rows of each were removed; of scores, how many lost their explanation."""

    model_config = ConfigDict(from_attributes=True)

    samples: int
    sessions: int
    signals: int
    scores: int
