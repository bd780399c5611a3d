"""What happens to open clients when the process forks or ends."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True, eq=False)
class Hooks:
    """What a client does around a fork, in the child after it, and at the end of the process."""

    before_fork: Callable[[], None]
    after_fork: Callable[[], None]
    renew: Callable[[], None]
    close: Callable[[], None]


# Open clients, until shutdown(): each has a thread, so that none ends by being forgotten.
_open: set[Hooks] = set()
_installed: list[bool] = []


def keep(hooks: Hooks) -> None:
    if not _installed:
        _installed.append(True)
        atexit.register(_close_all)
        if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
            os.register_at_fork(
                before=_before_fork, after_in_parent=_after_fork, after_in_child=_renew_all
            )
    _open.add(hooks)


def release(hooks: Hooks) -> None:
    _open.discard(hooks)


def close_with_worker_process() -> None:
    """A child of `multiprocessing` ends without running `atexit`, but runs its own finalizers."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None and multiprocessing.parent_process() is not None:
        util.Finalize(None, _close_all, exitpriority=0)


def _close_all() -> None:
    for hooks in list(_open):
        hooks.close()


def _before_fork() -> None:
    for hooks in list(_open):
        hooks.before_fork()


def _after_fork() -> None:
    for hooks in list(_open):
        hooks.after_fork()


def _renew_all() -> None:
    for hooks in list(_open):
        hooks.renew()
