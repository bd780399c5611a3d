"""Settings: the only place that reads the process environment (`WATCHKEEPER_*`)."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import platformdirs
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import InvalidInputError

_POSTGRES_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")


class InvalidSettingsError(InvalidInputError):
    """A setting cannot be used; correct it in the environment."""


def _default_data_dir() -> Path:
    # PostgreSQL refuses to run as root, and the account it then runs as cannot enter /root.
    if os.name == "posix" and os.geteuid() == 0:
        return Path("/var/lib/watchkeeper")
    return Path(platformdirs.user_data_dir("watchkeeper"))


class Settings(BaseSettings):
    """Everything that an operator can set, with its unit in its name."""

    model_config = SettingsConfigDict(
        env_prefix="WATCHKEEPER_", frozen=True, hide_input_in_errors=True
    )

    database_url: SecretStr | None = None
    """Any PostgreSQL >= 15. Unset: an embedded server in `data_dir`."""
    database_patience_s: int = Field(default=60, ge=0)
    """How long `serve` and `work` wait at their start for a database that is away, or that
    `migrate` has not been through yet, before they end. 0: not at all."""
    data_dir: Path = Field(default_factory=_default_data_dir)
    public_url: str = "http://127.0.0.1:8000"
    """Where people reach the pages; used in messages."""

    max_body_bytes: int = Field(default=20_000_000, gt=0)
    """Of one request, after decompression."""
    max_samples_per_batch: int = Field(default=5_000, gt=0)
    max_waiting_bytes: int = Field(default=64_000_000, gt=0)
    """Of all bodies that one process holds until they are stored; beyond it, it answers 503."""
    rate_limit_per_s: float | None = Field(default=None, gt=0)
    """Items (samples, counts, signals) a second that one key may bring in, with each process; a key
    can have a limit of its own. Unset: no limit."""

    samples_retention_days: int = Field(default=35, ge=1)
    scores_retention_days: int = Field(default=90, ge=1)
    counts_retention_days: int = Field(default=400, ge=1)

    scoring_lease_s: int = Field(default=60, ge=1)
    """How long after a worker last renewed its lease another one takes its scoring job over."""
    session_idle_minutes: int = Field(default=30, ge=1)
    """A session without a call for this long is over."""
    drift_reference_days: int = Field(default=7, ge=1)
    """The first days of a stream that its reference is built from; more where 1,000 scores take
    longer. A week holds every weekday once."""
    expected_false_drift_incidents_per_quarter: float = Field(default=0.05, gt=0, lt=1)
    """Over all streams together, if calls are independent of each other and nothing recurs. Streams
    that follow the hour of the day, or whose days differ among themselves, alarm more often where
    traffic is high enough to tell: comparing like hours and days with each other is not done yet.
    """

    expected_false_leak_tickets_per_quarter: float = Field(default=0.05, gt=0, lt=1)
    """Over all SLOs together, if each spends its budget exactly as fast as it lasts, all the time;
    SLOs that spend less hardly ever alarm. Ten times as many find a leak a sixth sooner."""

    blindness_patience_minutes: int = Field(default=30, ge=1)
    """How long nothing can be judged of an SLO before that is an incident of its own."""
    heartbeat_url: SecretStr | None = None
    """A dead man's switch: a worker posts to it once a minute while SLOs are evaluated. What it
    looks like is often all that is needed to keep it quiet, so it is kept like a password."""

    @field_validator("heartbeat_url")
    @classmethod
    def _is_http(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("must be like https://hc-ping.com/...")
        return value

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(_POSTGRES_SCHEMES):
            raise ValueError("must be like postgresql://user:password@host:5432/database")
        return value

    @field_validator("max_waiting_bytes")
    @classmethod
    def _has_room_for_two(cls, value: int, info: ValidationInfo) -> int:
        # A packed body takes room twice: as it came, and unpacked.
        if value < 2 * info.data.get("max_body_bytes", 0):
            raise ValueError("must be at least twice WATCHKEEPER_MAX_BODY_BYTES")
        return value

    @property
    def samples_retention(self) -> timedelta:
        """How long prompts and answers are kept, and how far back samples are taken in."""
        return timedelta(days=self.samples_retention_days)

    @property
    def database_patience(self) -> timedelta:
        """See `database_patience_s`."""
        return timedelta(seconds=self.database_patience_s)

    @property
    def session_idle(self) -> timedelta:
        """See `session_idle_minutes`."""
        return timedelta(minutes=self.session_idle_minutes)

    @property
    def blindness_patience(self) -> timedelta:
        """See `blindness_patience_minutes`."""
        return timedelta(minutes=self.blindness_patience_minutes)

    @property
    def scoring_lease(self) -> timedelta:
        """See `scoring_lease_s`."""
        return timedelta(seconds=self.scoring_lease_s)


def read_settings() -> Settings:
    """The settings of this process.

    Raises:
        InvalidSettingsError: naming every variable that is wrong, without its value.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = [
            f"WATCHKEEPER_{str(fault['loc'][0]).upper()}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidSettingsError("; ".join(faults)) from None


def environment() -> Mapping[str, str]:
    """The process environment, for `${VAR}` in declarations."""
    return os.environ
