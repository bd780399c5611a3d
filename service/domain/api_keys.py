"""API keys: a prefix that scanners for leaked secrets can know, and 256 random bits.

With that much randomness a plain SHA-256 is enough to store; slow password hashes are for
secrets that people choose (OWASP Password Storage Cheat Sheet, on pre-hashed high-entropy tokens).
"""

import hashlib
from dataclasses import dataclass, field
from typing import Literal

PREFIX = "wk_"
Scope = Literal["ingest", "read", "erase", "correct"]
"""What a key may do: bring calls in, read what is stored, remove what is stored of a user, say
which minutes do not count."""
_SHOWN_CHARACTERS = len(PREFIX) + 6


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its owner has it."""

    secret: str = field(repr=False)

    @classmethod
    def from_random(cls, token: str) -> "ApiKey":
        """A new key from an unguessable token, e.g. of `secrets.token_urlsafe(32)`."""
        return cls(PREFIX + token)

    @property
    def hash(self) -> bytes:
        """What is stored, and looked up."""
        return hashlib.sha256(self.secret.encode("utf-8", "surrogatepass")).digest()

    @property
    def shown(self) -> str:
        """The part that a person may see, to tell keys apart."""
        return self.secret[:_SHOWN_CHARACTERS]
