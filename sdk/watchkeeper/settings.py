"""What a client was constructed with, checked: misuse is seen at start-up, not in production."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import urllib3

from watchkeeper.backoff import Backoff
from watchkeeper.masks import Mask
from watchkeeper.proxies import is_usable, with_scheme
from watchkeeper.rates import LOWEST_RATE, SampleRate
from watchkeeper.repair import NAME_LIMIT, clean


@dataclass(frozen=True)
class Settings:
    url: str
    api_key: str = field(repr=False)
    app: str
    environment: str
    release: str
    sample_rate: SampleRate
    flush_at: int
    flush_interval: float
    max_queue: int
    timeout: float
    exit_timeout: float
    backoff: Backoff
    enabled: bool
    masks: tuple[Mask, ...] = field(default=(), repr=False)
    capture_input: bool = True
    capture_output: bool = True
    spool: str | None = None
    spool_max_bytes: int = 256 * 1024 * 1024
    max_queue_bytes: int = 64 * 1024 * 1024
    proxy: str | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raises ValueError, saying which argument is wrong and what it may be."""
        _check_name("app", self.app, required=True)
        _check_name("environment", self.environment, required=True)
        _check_name("release", self.release, required=False)
        _check_rates(self.sample_rate)
        _check_flag("capture_input", self.capture_input)
        _check_flag("capture_output", self.capture_output)
        _check_count("flush_at", self.flush_at)
        _check_count("max_queue", self.max_queue)
        _check_count("max_queue_bytes", self.max_queue_bytes)
        _check_count("spool_max_bytes", self.spool_max_bytes)
        _check_number("flush_interval", self.flush_interval, 0.001, 3600.0)
        _check_number("timeout", self.timeout, 0.001, 3600.0)
        _check_number("exit_timeout", self.exit_timeout, 0.0, 3600.0)
        if self.enabled:  # where nothing is sent, no address and no key need be known
            _check_url(self.url)
            _check_key(self.api_key)
            _check_proxy(self.proxy)
            if self.spool is not None:
                _prepare_folder(self.spool)


def spool_folder(spool: object) -> str | None:
    """Absolute: the app may change its working directory, and fork then."""
    if spool is None:
        return None
    if not isinstance(spool, (str, os.PathLike)) or not str(spool):
        raise ValueError("spool must be a directory, as a path or a text")
    return os.path.abspath(os.fsdecode(spool))


def _prepare_folder(folder: str) -> None:
    try:
        importlib.import_module("sqlite3")
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except ImportError:
        raise ValueError("spool needs the module sqlite3, which this Python lacks") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"spool must be a directory: {type(error).__name__}") from None


def stated_by_environment() -> dict[str, str]:
    """The arguments of the client that environment variables state: WATCHKEEPER_URL and so on."""
    names = ("url", "api_key", "app", "environment", "release")
    stated = {name: os.environ.get(f"WATCHKEEPER_{name.upper()}", "") for name in names}
    return {name: value for name, value in stated.items() if value}


def _check_url(url: object) -> None:
    if not isinstance(url, str) or not url:
        raise ValueError("url must be the address of the Watchkeeper server, as https://host")
    parsed = urllib3.util.parse_url(url)  # its error is a ValueError too
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("url must begin with http:// or https:// and name a host")
    if parsed.auth or parsed.query or parsed.fragment:
        raise ValueError("url must hold no credentials, query or fragment; the key is `api_key`")


def _check_key(api_key: object) -> None:
    # The message never quotes the key, however wrong it is.
    if not isinstance(api_key, str) or not api_key:
        raise ValueError("api_key must be the key of the app, as `wk_...`")
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ValueError("api_key must hold printable ASCII only, without spaces or line ends")


def _check_proxy(proxy: object) -> None:
    # Not quoted either: it may hold a password.
    if proxy is None or proxy == "":
        return
    if not isinstance(proxy, str) or not is_usable(with_scheme(proxy)):
        raise ValueError("proxy must be the address of an HTTP proxy, as http://host:port, or ''")


def _check_name(argument: str, value: object, *, required: bool) -> None:
    if not isinstance(value, str) or (required and not value):
        raise ValueError(f"{argument} must be a {'non-empty ' if required else ''}text")
    if clean(value) != value or len(value.encode()) > NAME_LIMIT:
        raise ValueError(f"{argument} must be valid text of at most {NAME_LIMIT} bytes")


def _check_rates(stated: object) -> None:
    for rate in stated.values() if isinstance(stated, Mapping) else (stated,):
        _check_number("sample_rate", rate, 0.0, 1.0)
        if 0 < float(rate) < LOWEST_RATE:  # type: ignore[arg-type]
            raise ValueError(f"sample_rate must be 0 or at least {LOWEST_RATE}")


def _check_number(argument: str, value: object, lowest: float, highest: float) -> None:
    # A bool is an int to Python; sample_rate=True is a slip, not a rate
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not lowest <= value <= highest:  # type: ignore[operator,arg-type]
        raise ValueError(f"{argument} must be a number from {lowest:g} to {highest:g}")


def _check_flag(argument: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{argument} must be True or False")


def _check_count(argument: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{argument} must be a whole number of at least 1")
