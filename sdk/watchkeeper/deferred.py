"""Texts that are written out on the sender's thread, not on the app's."""

from __future__ import annotations

import json


class Deferred:
    """Something that is JSON, or text, once somebody asks.

    The app's thread only gathers references to what cannot change any more; `plain()` is called on
    the sender's thread, and only for calls that are kept.
    """

    __slots__ = ()

    def plain(self) -> object:
        """Texts, numbers, lists and dicts of them."""
        raise NotImplementedError

    def held(self) -> tuple[object, ...]:
        """What it refers to, to be weighed."""
        raise NotImplementedError

    def __str__(self) -> str:
        value = self.plain()
        if isinstance(value, str):
            return value
        return json.dumps(value, ensure_ascii=False, default=str)
