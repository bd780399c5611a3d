"""What JSON takes in memory: an object of seven bytes takes two hundred and thirty."""

import re

MOST_CONTAINERS = 1_000_000
"""Objects and lists of one body. A full batch of samples has ten thousand, a request of OTLP with
the spans of a busy second some hundred thousand."""
_TEXTS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def holds_too_much(body: bytes) -> bool:
    """Whether it holds more than `MOST_CONTAINERS`; what stands in its texts does not count.

    >>> holds_too_much(b'[{"a": 1}]'), holds_too_much(b"[" + b"{}," * MOST_CONTAINERS + b"0]")
    (False, True)
    """
    # Nearly every body ends here; only where it might be too much is it looked at closely.
    return _count(body) > MOST_CONTAINERS and _count(_TEXTS.sub(b"", body)) > MOST_CONTAINERS


def _count(body: bytes) -> int:
    return body.count(b"{") + body.count(b"[")
