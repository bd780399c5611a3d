"""Waiting until somebody says stop."""

from threading import Event

_LOOK_EVERY_S = 1.0


def wait_until_set(event: Event) -> None:
    """Wait in the main thread for an event that a signal's handler sets.

    Python runs handlers between two steps of the program. A signal that comes in the instant before
    the wait begins would be heard only when the wait is over; so the wait is over now and then.
    """
    while not event.wait(_LOOK_EVERY_S):
        pass
