"""What `watchkeeper demo` tells: lines that stay, and on a terminal one that is written anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text
from watchkeeper import Stats

from service.demo.happenings import Message
from service.demo.live import Pace
from service.demo.support_app import AFTER_UPDATE, APP, TEAM
from service.domain.iso_weeks import IsoWeek

_INDENT = " " * 10
_LAST_LINES = 20
_TOLD_SHARES = 4  # where no line can be written anew, progress is told in quarters
_STEPS_OF_AN_INCIDENT = {
    "incident.opened": "opened",
    "incident.escalated": "is more severe now",
    "incident.acknowledged": "was acknowledged",
    "incident.resolved": "is over",
    "incident.reopened": "is back",
}


class Narrator:
    """Tells the story; use it as a context manager, so that the terminal is left in order."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True, emoji=False)
        self._status: Status | None = None
        self._told_share = 0
        self._updated_at: float | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status = self._console.status("")
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def introduce(self) -> None:
        """What this is."""
        self._say("Watchkeeper demo: a simulated support app, watched by the real service.", "bold")
        self._say("All of it runs on this machine and is removed at the end. Ctrl-C ends it.")
        self._say("")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Something that takes a moment."""
        begun = monotonic()
        self._rewrite(f"{name} ...")
        yield
        self._clear()
        self._say(f"{name}: {monotonic() - begun:.1f} s")

    def use_other_port(self, wanted: int, port: int) -> None:
        """The port is taken."""
        self._say(f"Port {wanted} is in use here; the demo takes {port}.")

    def show_pages(self, url: str, *, after_s: float) -> None:
        """Where to look."""
        week = IsoWeek.containing(datetime.now(UTC))
        places = (
            ("Pages", ""),
            ("This SLO", f"slos/{APP}/questions-answered"),
            ("Incidents", "incidents"),
            ("Weekly report", f"reports/weekly?team={TEAM}&week={week}"),
            ("API", "openapi.json"),
        )
        self._say("")
        self._say(f"Ready after {after_s:.0f} s. Open now:", "bold green")
        for name, path in places:
            self._say(f"  {name:<14} {url}/{path}")
        self._say("")

    def show_history(self, calls: int, share: float) -> None:
        """How far the past has been told."""
        told = f"History: {calls:,} calls posted, {share:.0%}"
        self._rewrite(told)
        quarter = int(share * _TOLD_SHARES)
        if self._status is None and self._told_share < quarter < _TOLD_SHARES:
            self._told_share = quarter
            self._say(told)

    def announce_live(self, pace: Pace) -> None:
        """The traffic begins."""
        self._say(
            f"Live traffic: {pace.calls_per_second:g} calls a second through the SDK. "
            f"In {pace.update_after_s:g} s the app gets a new model."
        )

    def show_live(self, calls: int, update_in_s: float) -> None:
        """Written anew all the time, and so only on a terminal."""
        soon = f"; the new model comes in {update_in_s:.0f} s" if update_in_s > 0 else ""
        self._rewrite(f"Live: {calls:,} calls{soon}")

    def announce_update(self) -> None:
        """The deed."""
        self._updated_at = monotonic()
        self._event(
            f"The model update is out: '{AFTER_UPDATE.answer_model}' answers from now on, "
            f"and declines {AFTER_UPDATE.refusal_rate:.0%} of the questions.",
            "bold yellow",
        )
        self._say(f"{_INDENT}Nothing fails: every call succeeds, in good time. Now wait and see.")

    def tell_message(self, message: Message) -> None:
        """A message of Watchkeeper has reached the demo's webhook."""
        told = message["data"]
        step = _STEPS_OF_AN_INCIDENT.get(message["type"], message["type"])
        headline = f"INCIDENT {told['incident']} {step} ({told['severity']}){self._since_update()}"
        self._event(headline, "bold green" if told["status"] == "resolved" else "bold red")
        for line in (told["title"], told["reason"], told["url"]):
            self._say(f"{_INDENT}{line}")
        if told["severity"] == "page" and told["status"] == "open":
            self._say("")
            self._say("Look around, acknowledge the incident. Ctrl-C ends the demo.", "bold")

    def show_account(self, stats: Stats) -> None:
        """Where every live call went."""
        lost = sum(stats.dropped.values())
        self._say(f"Live calls: {stats.produced:,} made, {stats.stored:,} stored, {lost:,} lost.")

    def show_last_lines(self, log: Path) -> None:
        """What the service's processes said last."""
        self._clear()
        for line in log.read_text(errors="replace").splitlines()[-_LAST_LINES:]:
            self._say(f"  | {line}")

    def say_stopping(self) -> None:
        """It is over, and the clearing up begins."""
        self._clear()
        self._say("")
        self._say("Stopping, and removing everything ...")

    def say_gone(self) -> None:
        """Nothing is left."""
        self._say("The demo is over: nothing is left running, no file is left behind.")

    def _since_update(self) -> str:
        if self._updated_at is None:
            return ""
        return f", {monotonic() - self._updated_at:.0f} s after the update"

    def _event(self, text: str, style: str) -> None:
        self._say("")
        self._say(f"{datetime.now():%H:%M:%S}  {text}", style)  # noqa: DTZ005 - the viewer's clock

    def _say(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=style))

    def _rewrite(self, line: str) -> None:
        if self._status is not None:
            self._status.update(Text(line, style="cyan"))
            self._status.start()

    def _clear(self) -> None:
        if self._status is not None:
            self._status.stop()
