"""Since when SLOs stand as they do."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import cast

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from service.domain.burn_rate import Status
from service.domain.spells import BlindCause, Spell
from service.store.tables import slo_spells


def read_spells(connection: Connection) -> dict[int, Spell]:
    """The spell of every SLO that was watched, by SLO id."""
    return {
        row.slo_id: Spell(
            cast(Status, row.status),
            row.since,
            row.blind_since,
            cast("BlindCause | None", row.cause),
            row.noted_at,
        )
        for row in connection.execute(select(slo_spells))
    }


def put_spells(connection: Connection, spells: Mapping[int, Spell]) -> None:
    """Write the spells of the SLOs in force; those of others are forgotten."""
    connection.execute(slo_spells.delete().where(slo_spells.c.slo_id.not_in(list(spells))))
    if not spells:
        return
    statement = insert(slo_spells)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["slo_id"],
            set_={name: statement.excluded[name] for name in Spell.__slots__},
        ),
        [{"slo_id": slo_id} | asdict(spell) for slo_id, spell in sorted(spells.items())],
    )
