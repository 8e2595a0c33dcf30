"""The rights of those who use the database without owning it, as SQL for its owner to run."""

from importlib.resources import files


def roles_sql() -> str:
    """The text of roles.sql: what psql runs, and the server itself in one piece."""
    return files("db").joinpath("roles.sql").read_text(encoding="utf-8")
