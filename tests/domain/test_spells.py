from datetime import UTC, datetime, timedelta
from typing import Any

from service.domain.spells import (
    Sight,
    Spell,
    Surroundings,
    alarmed_at,
    continue_spell,
    describe_blindness,
    is_long,
    look,
)

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PATIENCE = 30 * MINUTE


def tier(hours: float, cause: str | None = None) -> dict[str, Any]:
    status = "unknown" if cause else "healthy"
    return {"long_s": hours * 3600, "status": status, "cause": cause, "reason": f"{cause}!"}


def cause_of(*tiers: dict[str, Any]) -> str | None:
    return look("unknown", {"tiers": tiers}, NOON, now=NOON).cause


def test_silence_and_backlog_blind_whichever_tier_has_them() -> None:
    assert cause_of(tier(1), tier(6, "backlog")) == "backlog"
    assert cause_of(tier(72, "silence"), tier(1, "too_few")) == "silence"


def test_a_gap_blinds_while_the_fastest_tier_has_it() -> None:
    assert cause_of(tier(1, "gaps"), tier(72, "gaps")) == "gaps"
    assert cause_of(tier(1), tier(72, "gaps")) is None, "calls came again since"


def test_a_thin_stream_is_no_blindness() -> None:
    assert cause_of(tier(1, "too_few"), tier(6, "too_few")) is None


def test_what_was_not_evaluated_lately_cannot_be_seen() -> None:
    assert look("healthy", {}, NOON, now=NOON + 2 * MINUTE).status == "healthy"
    stale = look("healthy", {}, NOON, now=NOON + 3 * MINUTE)
    assert (stale.status, stale.cause) == ("unknown", "stale")
    assert look(None, {}, None, now=NOON).cause == "stale"


def test_a_spell_goes_on_until_its_status_changes() -> None:
    first = continue_spell(None, Sight("healthy", NOON), now=NOON)
    later = continue_spell(first, Sight("healthy", NOON + HOUR), now=NOON + HOUR)
    assert later.since == NOON
    firing = continue_spell(later, Sight("firing", NOON + 2 * HOUR), now=NOON + 2 * HOUR)
    assert firing.since == NOON + 2 * HOUR


def test_blindness_is_counted_from_its_beginning_whatever_its_causes() -> None:
    thin = continue_spell(None, Sight("unknown", NOON), now=NOON)
    assert thin.blind_since is None
    silent = Sight("unknown", NOON + HOUR, "silence")
    spell = continue_spell(thin, silent, now=NOON + HOUR)
    assert (spell.since, spell.blind_since) == (NOON, NOON + HOUR)
    gaps = continue_spell(spell, Sight("unknown", NOON + 2 * HOUR, "gaps"), now=NOON + 2 * HOUR)
    assert (gaps.blind_since, gaps.cause) == (NOON + HOUR, "gaps")
    again = continue_spell(gaps, Sight("unknown", NOON + 3 * HOUR), now=NOON + 3 * HOUR)
    assert again.blind_since is None


def test_a_restart_of_the_worker_is_no_blindness_of_the_slo() -> None:
    healthy = Spell("healthy", NOON - DAY, None, None, NOON)
    back = NOON + 3 * HOUR
    first = continue_spell(healthy, look("healthy", {}, NOON, now=back), now=back)
    assert (first.status, first.since, first.blind_since) == ("healthy", NOON - DAY, None)
    still = look("healthy", {}, NOON, now=back + MINUTE)
    spell = continue_spell(first, still, now=back + MINUTE)
    assert spell.blind_since == back + MINUTE
    again = continue_spell(spell, still, now=back + HOUR)
    assert (again.blind_since, again.cause) == (None, None)


def test_patience_is_a_day_where_no_call_has_ever_come() -> None:
    spell = Spell("unknown", NOON, NOON, "silence", NOON)
    seen = Surroundings(last_call_at=NOON)
    assert not judge(spell, seen, NOON + 29 * MINUTE)
    assert judge(spell, seen, NOON + PATIENCE)
    assert not judge(spell, Surroundings(), NOON + 23 * HOUR)
    assert judge(spell, Surroundings(), NOON + DAY)


def test_what_was_planned_is_not_waited_for() -> None:
    spell = Spell("unknown", NOON, NOON, "silence", NOON)
    seen, planned = Surroundings(last_call_at=NOON), (NOON, NOON + 2 * HOUR)
    assert not judge(spell, seen, NOON + 2 * HOUR, planned)
    assert judge(spell, seen, NOON + 2 * HOUR + PATIENCE, planned)


def judge(
    spell: Spell, seen: Surroundings, now: datetime, *excluded: tuple[datetime, datetime]
) -> bool:
    return is_long(spell, seen, patience=PATIENCE, excluded=excluded, now=now)


def test_the_sentence_says_since_when_why_and_what_to_look_at() -> None:
    silent = Sight("unknown", NOON, "silence", "no call for 45 m")
    spell = Spell("unknown", NOON, NOON, "silence", NOON)
    seen = Surroundings(last_call_at=NOON - MINUTE)
    said = describe_blindness(spell, silent, seen, now=NOON + 40 * MINUTE)
    assert said == (
        "Nothing can be judged since 2026-11-25 12:00 UTC (40 m): no call for 45 m. The last call "
        "came at 2026-11-25 11:59 UTC. Is the app up, and does its SDK report losses? "
        "See docs/runbooks/long-blindness.md"
    )
    waiting = Surroundings(NOON, None, 500, NOON - HOUR, 7)
    behind = Sight("unknown", NOON, "backlog", "they wait")
    said = describe_blindness(spell, behind, waiting, now=NOON + HOUR)
    assert "500 samples wait for a worker, the oldest of 2026-11-25 11:00 UTC; 7 are set" in said
    stale = Sight("unknown", NOON, "stale", "it has not been evaluated since noon")
    assert "slo_not_evaluated" in describe_blindness(spell, stale, seen, now=NOON + HOUR)


def test_somebody_who_resolved_it_is_asked_again_a_day_later() -> None:
    spell = Spell("unknown", NOON, NOON, "silence", NOON)
    assert alarmed_at(spell, now=NOON + 23 * HOUR) == NOON
    assert alarmed_at(spell, now=NOON + 25 * HOUR) == NOON + DAY
