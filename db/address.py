"""The database's address: taken apart without repeating what may be a password, and shown without one."""

import re
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from db.errors import DatabaseRefusedError

_USER_INFO = re.compile(r"postgres(?:ql)?://[^:]*:(.*)@", re.DOTALL)
_SCHEME = re.compile(r"postgres(?:ql)?://", re.ASCII)
_LEADING_USER_INFO = re.compile(r"[^@/]*@")
_PORTS = re.compile(r"[0-9]*(,[0-9]*)*", re.ASCII)
_KEYS = frozenset({"scram_client_key", "scram_server_key"})  # libpq does not count them among the passwords


def parse_conninfo(url: str, **extra: Any) -> str:
    """`url` with `extra` parameters. Raises DatabaseRefusedError without repeating a text that may hold a password."""
    try:
        conninfo = make_conninfo(url, **extra)
        well_formed = "\0" not in url and _has_its_parts_in_place(url)
    except (psycopg.ProgrammingError, UnicodeError):
        well_formed = False
    if not well_formed:
        raise DatabaseRefusedError(
            "DATABASE_URL is not a PostgreSQL address.",
            "Write it as postgresql://user@host:5432/database; in a password, write @ : / ? # % as %40 %3A %2F %3F "
            "%23 %25.",
        )
    return conninfo


def _has_its_parts_in_place(url: str) -> bool:
    """Whether no piece of a password, with an @ or / left as it is, passes for another part of the address.

    libpq takes the first @ for the end of the user and password, unless a / stands before it.
    """
    parts = conninfo_to_dict(url)
    hosts = str(parts.get("host") or "").split(",")
    if any("@" in host[1:] for host in hosts) or _PORTS.fullmatch(str(parts.get("port") or "")) is None:
        return False
    if not (scheme := _SCHEME.match(url)):
        return True
    rest = url[scheme.end() :]
    if (user_info := _LEADING_USER_INFO.match(rest)) is not None:
        rest = rest[user_info.end() :]
    return "@" not in rest.partition("?")[0]


def shown_address(url: str) -> str:
    """`url` in key=value form with its passwords and keys masked, fit to be shown."""
    parts = conninfo_to_dict(parse_conninfo(url))
    return make_conninfo("", **{**parts, **dict.fromkeys(passwords_of(url), "***")})


def secrets_of(url: str) -> set[str]:
    """The passwords and keys in `url`, as they are written and as libpq reads them."""
    written = _USER_INFO.match(url)
    try:
        parse_conninfo(url)
    except DatabaseRefusedError:
        return {url, *([written[1]] if written else ())}  # it is no address, so any part of it may be a secret
    return {*passwords_of(url).values(), *([written[1]] if written else ())}


def passwords_of(url: str) -> dict[str, str]:
    """The passwords and keys in `url` by their keywords, as libpq reads them."""
    secret = secret_keywords()
    return {
        keyword: option.val.decode(errors="replace")
        for option in Conninfo.parse(url.encode())
        if option.val and (keyword := option.keyword.decode()) in secret
    }


def secret_keywords() -> frozenset[str]:
    """The parameters of an address that hold a password or a key."""
    return _KEYS | {option.keyword.decode() for option in Conninfo.get_defaults() if option.dispchar == b"*"}
