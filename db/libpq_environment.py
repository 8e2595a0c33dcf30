"""What libpq's environment may add to an address: what DATABASE_URL omits, and never anything that changes results.

The embedded server's address is complete, so that the environment adds nothing to it.
"""

import os
from collections.abc import Mapping

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo, PGconn

from db.address import parse_conninfo
from db.errors import DatabaseRefusedError

CHANGE_RESULTS = ("PGOPTIONS", "PGCLIENTENCODING", "PGDATESTYLE", "PGTZ", "PGGEQO")
_SETTINGS = frozenset({"options", "client_encoding"})  # the parameters of the first two
_REFUSED = "target_session_attrs"
# libpq takes an empty name for ~/.pgpass, and warns on stderr, over the screen, of any other file that is none.
NO_PASSFILE = "/nonexistent/pgpass"
# The embedded server's socket needs neither encryption nor a password. libpq refuses empty values for these.
_EMBEDDED = {
    "client_encoding": "UTF8",
    "connect_timeout": "5",
    "passfile": NO_PASSFILE,
    "require_auth": "none",  # a server in its place that asks for a password or a ticket is not answered
    "sslmode": "disable",
    "sslcertmode": "disable",
    "gssencmode": "disable",
    "min_protocol_version": "3.0",
    "max_protocol_version": "3.0",
}


def shut_out(*more: str) -> None:
    """Removes from this process's environment what changes results, and `more`.

    libpq sends DateStyle, TimeZone and geqo from it with every connection; no parameter of an address prevents that.
    """
    for name in (*CHANGE_RESULTS, *more):
        os.environ.pop(name, None)


def embedded_parameters() -> dict[str, str]:
    """A value for every parameter that the environment could supply, except for a server's place, user and database.

    Removes PGSERVICE from the environment, because libpq fails where it cannot find the service. An address that may
    take something from the service has it from `with_service`.
    """
    shut_out("PGSERVICE")
    return {
        keyword: _EMBEDDED.get(keyword, option.compiled.decode() if option.compiled else "")
        for option in Conninfo.get_defaults()
        if option.envvar and (keyword := option.keyword.decode()) not in {"service", "port", "user", "dbname", "host"}
    }


def with_service(url: str) -> str:
    """`url` with what the service that PGSERVICE names supplies beside it; unchanged where there is none.

    Raises DatabaseRefusedError if `url` is malformed or the service is not found.
    """
    given = conninfo_to_dict(parse_conninfo(url))
    name = os.environ.get("PGSERVICE")
    if not name or "service" in given:
        return url
    connection = PGconn.connect_start(_not_to_be_tried(url))
    said = connection.error_message.decode(errors="replace").strip()
    connection.finish()
    if _REFUSED not in said:  # libpq stopped earlier, at the service
        raise DatabaseRefusedError(
            f"PGSERVICE names the service {name[:63]!r}, which cannot be used: {said[:300]}.",
            "Correct PGSERVICE or its service file, or unset it.",
        )
    found = {
        option.keyword.decode(): option.val.decode(errors="surrogateescape")
        for option in Conninfo.get_defaults()
        if option.val is not None and option.val != option.compiled
    }
    return make_conninfo("", **{**_without(found, _SETTINGS | {"service"}), **given})


def resolved(url: str) -> dict[str, str]:
    """Every option that a connection to `url` would have, by its keyword.

    Only libpq knows all the places that it takes options from, and tells of a connection alone.
    """
    connection = PGconn.connect_start(_not_to_be_tried(url))
    try:
        return {
            option.keyword.decode(): option.val.decode(errors="replace") for option in connection.info if option.val
        }
    finally:
        connection.finish()


def _not_to_be_tried(url: str) -> bytes:
    """`url` with one option that libpq refuses, once it has gathered all others, without connecting."""
    return make_conninfo(parse_conninfo(url), **{_REFUSED: "not to be tried"}).encode()


def _without(values: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in names}
