"""The shapes of documents, as people write them: field names, types and limits, no meaning yet."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from service.domain.sampling import LOWEST_RATE
from service.specs.durations import parse_duration


def _is_duration(text: str) -> str:
    parse_duration(text)
    return text


def _is_web_address(url: str) -> str:
    try:
        address = urlsplit(url)
        usable = address.scheme in {"http", "https"} and address.hostname and address.port != 0
    except ValueError:
        # Its message would quote the address, and with it a token.
        usable = False
    if not usable:
        raise ValueError("allowed: an address that begins with http:// or https://")
    return url


def _is_rate(rate: float) -> float:
    if rate and not LOWEST_RATE <= rate <= 1:
        raise ValueError(f"allowed: 0, or a number from {LOWEST_RATE:.5f} to 1, like 0.1")
    return rate


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Prose = Annotated[str, Field(max_length=10_000)]
Duration = Annotated[str, AfterValidator(_is_duration)]
WebAddress = Annotated[str, Field(max_length=2_000), AfterValidator(_is_web_address)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Ratio = Annotated[float, Field(gt=0, lt=1)]
Percent = Annotated[float, Field(gt=0, lt=100)]
SampleRate = Annotated[float, AfterValidator(_is_rate)]
Days = Annotated[int, Field(ge=1, le=3_650)]


class Shape(BaseModel):
    """Unknown fields are errors, and nothing is converted: "0.8" is no number."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )


class Metadata(Shape):
    """What other documents call the subject of this one."""

    name: Name


class TitledMetadata(Metadata):
    """... and what people call it."""

    display_name: Text | None = None


class RetentionBody(Shape):
    """How long what an app sends is kept."""

    samples_days: Days


class AppBody(Shape):
    """`spec` of kind App."""

    team: Name
    channels: list[Name] = []
    simulated: bool = False
    sample_rate: SampleRate | None = None
    retention: RetentionBody | None = None


class Passes(Shape):
    """When a score is good."""

    at_least: Finite | None = None
    at_most: Finite | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> "Passes":
        if self.at_least is None and self.at_most is None:
            raise ValueError("allowed: atLeast, atMost or both")
        if None not in (self.at_least, self.at_most) and self.at_least > self.at_most:  # type: ignore[operator]
            raise ValueError("allowed: atLeast no higher than atMost")
        return self


class EvaluatorBody(Shape):
    """One evaluator of a task; `reported`: the app itself evaluates, and sends the scores."""

    name: Text
    config: dict[str, Any] = {}
    passes: Passes | None = None
    reported: bool = False

    @model_validator(mode="after")
    def _is_ours_or_the_apps(self) -> "EvaluatorBody":
        if self.reported and self.config:
            raise ValueError("allowed: reported: true without config; nothing is run here")
        return self


class TaskBody(Shape):
    """`spec` of kind Task."""

    app: Name
    contract: dict[str, Any] | None = None
    evaluators: list[EvaluatorBody] = []
    drift: list[Text] = []
    sample_rate: SampleRate | None = None


class ChannelBody(Shape):
    """`spec` of kind Channel."""

    type: Literal["webhook"]
    url: WebAddress
    secret: Annotated[str, Field(min_length=1, max_length=1_000)] | None = None


class DocumentShape(Shape):
    """What every document has."""

    api_version: str
    kind: str


class OwnDocument(DocumentShape):
    """What every document of ours has."""

    metadata: Metadata


class AppDocument(OwnDocument):
    """An app."""

    metadata: TitledMetadata
    spec: AppBody


class TaskDocument(OwnDocument):
    """A task of an app."""

    spec: TaskBody


class ChannelDocument(OwnDocument):
    """A channel."""

    spec: ChannelBody
