import pytest

from watchkeeper.sampling import is_kept


def test_conversations_stay_together(server, client, balanced):
    wk = client(sample_rate=0.3)
    for turn in range(5):
        for session in range(200):
            wk.record(task="t", session_id=f"session-{session}", prompt=str(turn))
    wk.flush()
    turns = {}
    for sample in server.samples:
        assert sample["keep_probability"] == 0.3
        turns.setdefault(sample["session_id"], set()).add(sample["prompt"])
    assert all(seen == set("01234") for seen in turns.values())
    assert 40 <= len(turns) <= 80
    stats = balanced(wk)
    assert stats.sampled_out == 1_000 - len(server.samples)
    assert stats.counted == server.counted == 1_000


def test_errors_are_always_kept_with_probability_one(server, client):
    wk = client(sample_rate=0.0)
    wk.record(task="t", error=TimeoutError())
    wk.record(task="t")
    wk.flush()
    assert [(s["outcome"], s["keep_probability"]) for s in server.samples] == [("error", 1.0)]
    assert server.counted == 2


@pytest.mark.parametrize("probability", [0.01, 0.1, 0.5, 0.9])
def test_the_share_kept_is_the_probability(probability):
    kept = sum(is_kept(f"unit-{n}", probability) for n in range(20_000))
    assert abs(kept / 20_000 - probability) < 4 * (probability * (1 - probability) / 20_000) ** 0.5


def test_a_unit_kept_at_one_rate_is_kept_at_every_higher_rate():
    rates = [0.01, 0.2, 0.5, 0.99, 1.0]
    for n in range(500):
        decisions = [is_kept(str(n), rate) for rate in rates]
        assert decisions == sorted(decisions)


def test_rates_differ_by_task(server, client):
    wk = client(sample_rate={"kept": 1.0, "*": 0.0})
    for task in ("kept", "left", "other"):
        wk.record(task=task)
    wk.flush()
    assert [sample["task"] for sample in server.samples] == ["kept"]
    assert server.counted == 3


def test_a_flagged_call_is_kept_and_says_why(server, client):
    wk = client(sample_rate=0.0)
    wk.record(task="t", prompt="flagged", flag=True)
    wk.record(task="t", prompt="failed", error=True, flag=True)
    wk.flush()
    assert [
        (s["prompt"], s["keep_probability"], s["attributes"]["watchkeeper.kept_for"])
        for s in server.samples
    ] == [("flagged", 1.0, "flag"), ("failed", 1.0, "error")]


def test_a_certain_call_that_the_rate_keeps_too_tells_how_its_session_was_kept(server, client):
    wk = client(sample_rate=0.5)
    kept = next(f"s{n}" for n in range(100) if is_kept(f"s{n}", 0.5))
    wk.record(task="t", session_id=kept, error=True)
    wk.flush()
    [sample] = server.samples
    assert sample["keep_probability"] == 1.0
    assert sample["attributes"] == {"watchkeeper.session_probability": 0.5}


def test_a_trace_stays_together_unless_a_session_does(server, client):
    wk = client(sample_rate=0.3)
    for turn in range(3):
        for number in range(100):
            wk.record(task="t", trace_id=f"trace-{number}", prompt=str(turn))
            wk.record(task="t", session_id="s", trace_id=f"trace-{number}", prompt="in session")
    wk.flush()
    turns = {}
    for sample in server.samples:
        if sample["prompt"] != "in session":
            turns.setdefault(sample["attributes"]["trace_id"], set()).add(sample["prompt"])
    assert 10 <= len(turns) <= 50
    assert all(seen == set("012") for seen in turns.values())
    of_session = [s for s in server.samples if s["session_id"] == "s"]
    assert len(of_session) == (300 if is_kept("s", 0.3) else 0)
