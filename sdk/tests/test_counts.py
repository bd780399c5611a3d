from watchkeeper.backlog import Backlog, KeptSample
from watchkeeper.call import Facts
from watchkeeper.counts import CallCounts


def facts(task):
    return Facts(60.0, task, "", "", "ok", 1, None, None)


def test_rows_are_bounded_and_what_does_not_fit_is_said():
    counts = CallCounts(row_limit=2)
    assert [counts.add(facts(task), n) for n, task in enumerate("abca", 1)] == [
        *(True, True, False, True),
    ]
    other = CallCounts()
    for number, task in enumerate("aaxyz", 10):
        other.add(facts(task), number)
    assert counts.absorb(other) == 3
    assert sum(counts.pop()[1].calls for _ in range(2)) == 5


def test_the_oldest_call_is_known_until_the_last_row_left():
    counts = CallCounts()
    assert counts.first_number is None
    counts.add(facts("a"), 7)
    counts.add(facts("b"), 8)
    counts.pop()
    assert counts.first_number == 7
    counts.pop()
    assert counts.first_number is None


def test_the_backlog_is_bounded_in_bytes_too():
    backlog = Backlog(max_samples=10, max_bytes=100)
    assert backlog.push(KeptSample(1, b"x" * 60)) == 0
    assert backlog.push(KeptSample(2, b"x" * 30)) == 0
    assert backlog.push(KeptSample(3, b"x" * 60)) == 1
    assert backlog.first_number == 2
    assert [s.number for s in backlog.pop_within(10, 80)] == [2]
    assert [s.number for s in backlog.pop_within(10, 1)] == [3]  # one always fits
