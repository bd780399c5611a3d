"""Whatever an app and its server do, every call is in the ledger exactly once."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchkeeper import Backoff, Watchkeeper

calls = st.fixed_dictionaries(
    {"task": st.sampled_from(["a", "b", "bad", "", None])},
    optional={
        "session_id": st.sampled_from(["s1", "s2", "s3"]),
        "error": st.sampled_from([True, "Timeout"]),
        "input_tokens": st.integers(0, 9),
        "latency_ms": st.one_of(st.floats(0, 1e6), st.just("soon")),
        "trace_id": st.sampled_from(["t1", "t2"]),
        "flag": st.booleans(),
    },
)
steps = st.lists(st.one_of(calls, st.just("flush"), st.just("peek")), max_size=40)
plans = st.lists(st.sampled_from([202, 500, 429, 400, 413, "close"]), max_size=6)


@settings(
    max_examples=120,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=steps,
    plans=plans,
    sample_rate=st.sampled_from([0.0, 0.3, 1.0, {"a": 0.0, "*": 0.5}]),
    max_queue=st.integers(1, 12),
    flush_at=st.integers(1, 12),
)
def test_the_ledger_adds_up_at_any_moment(
    server, balanced, steps, plans, sample_rate, max_queue, flush_at
):
    server.plans.clear()
    server.plans.extend(plans)
    server.batches.clear()
    server.refuse_samples_of_task = "bad"
    wk = Watchkeeper(
        server.url,
        "wk_x",
        app="a",
        sample_rate=sample_rate,
        max_queue=max_queue,
        flush_at=flush_at,
        flush_interval=60,
        backoff=Backoff(0.0005, 0.001),
    )
    produced = 0
    for step in steps:
        if step == "flush":
            assert wk.flush().complete
        elif step != "peek":
            wk.record(**step)
            produced += 1
        assert balanced(wk).produced == produced
    assert wk.shutdown().complete
    stats = balanced(wk)
    assert stats.produced == produced
    assert stats.queued == 0
    assert stats.stored == len(server.samples)
    assert stats.counted == server.counted
    assert stats.counted + sum(stats.uncounted.values()) == produced
    for row in server.counts:
        assert sum(row["latency_counts"].values()) <= row["calls"]
    assert stats.uncounted.get("no_task", 0) == sum(
        1 for step in steps if isinstance(step, dict) and not step["task"]
    )
