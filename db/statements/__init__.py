"""Named SQL, kept in `.sql` files beside this one.

Each statement stands under a line `-- name: NAME` and a line that says what it is for.
"""

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def load(group: str) -> dict[str, bytes]:
    """The statements of `group`.sql by name, as bytes that psycopg takes for a query."""
    text = files(__name__).joinpath(f"{group}.sql").read_text(encoding="utf-8")
    pieces = _NAME.split(text)[1:]
    return {name: body.strip().encode() for name, body in zip(pieces[::2], pieces[1::2], strict=True)}
