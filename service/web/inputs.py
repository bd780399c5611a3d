"""What may come in from an address or a form; all else is answered with a page that says why."""

from typing import Annotated

from fastapi import Form, Path, Query
from pydantic import StringConstraints

_WITHOUT_NUL = r"^[^\x00]*$"  # PostgreSQL stores no NUL
_LARGEST_ID = 2**63 - 1

_Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_WITHOUT_NUL)]

IncidentId = Annotated[int, Path(ge=1, le=_LARGEST_ID)]
NameInPath = Annotated[_Name, Path()]
Team = Annotated[_Name, Query()]
Week = Annotated[str, Query(max_length=20)]
Before = Annotated[int, Query(ge=1, le=_LARGEST_ID)]
By = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_WITHOUT_NUL),
    Form(),
]
Note = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=4_000, pattern=_WITHOUT_NUL),
    Form(),
]
