"""Read what the gate of releases and the views of SLOs are made of: one SLO, or an app's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Connection

from service.domain.budget_policy import Crossing
from service.domain.burn_rate import Status
from service.domain.gate import GateAnswer, judge_gate
from service.domain.spells import Sight, Spell, look
from service.store.budget_crossings import read_crossings
from service.store.known_slos import require_slo
from service.store.slos import SloState, StoredSlo, list_slos, read_states
from service.store.spells import read_spells


@dataclass(frozen=True, slots=True)
class WatchedSlo:
    """An SLO with all that is known of how it stands now.

    `since` is of the status in `sight`; `crossings` are the consequences in force.
    """

    stored: StoredSlo
    state: SloState | None
    sight: Sight
    since: datetime | None
    crossings: tuple[Crossing, ...]

    @property
    def gate(self) -> GateAnswer:
        """Whether it allows a change."""
        state = self.state
        return judge_gate(
            self.sight,
            state.sentence if state else "it has not been evaluated yet",
            state.verdict if state else {},
            self.crossings,
            since=self.since,
        )


def inspect_slos(connection: Connection, app: str, *, now: datetime) -> list[WatchedSlo]:
    """The SLOs of an app, by name."""
    slos = list_slos(connection, app=app)
    states, spells = read_states(connection), read_spells(connection)
    crossings = read_crossings(connection, since=now)
    return [
        _watched(
            stored, states.get(stored.id), spells.get(stored.id), crossings.get(stored.id, ()), now
        )
        for stored in slos
    ]


def inspect_slo(connection: Connection, app: str, name: str, *, now: datetime) -> WatchedSlo:
    """One of them.

    Raises:
        UnknownSloError: with the SLOs that the app has.
    """
    wanted = require_slo(connection, app, name)
    watched = {each.stored.id: each for each in inspect_slos(connection, app, now=now)}
    return watched[wanted.id]


def _watched(
    stored: StoredSlo,
    state: SloState | None,
    spell: Spell | None,
    crossings: Sequence[Crossing],
    now: datetime,
) -> WatchedSlo:
    if state is None:
        sight = look(None, {}, None, now=now)
    else:
        sight = look(cast(Status, state.status), state.verdict, state.evaluated_at, now=now)
    # Noted once a few seconds; until then the evaluation itself is the beginning of a new status.
    noted = spell.since if spell is not None and spell.status == sight.status else None
    since = noted or (state.evaluated_at if state else None)
    in_force = tuple(crossing for crossing in crossings if crossing.until is None)
    return WatchedSlo(stored, state, sight, since, in_force)
