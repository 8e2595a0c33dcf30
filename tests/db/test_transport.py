"""Which addresses are warned about: those that leave the machine with a mode that encryption may be missing from."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from db.errors import DatabaseRefusedError
from db.transport import transport_problem

MARKER = "Pa55-marker"
OPTIONAL, ENCRYPTED = ("disable", "allow", "prefer"), ("require", "verify-ca", "verify-full")
LOCAL = ("", "/run/postgresql", "@abstract", "localhost", "LOCALHOST.", "127.0.0.1", "::1", "::ffff:127.0.0.1")
REMOTE = ("db.example", "10.0.0.7", "128.0.0.1", "2001:db8::1", "localhost.example", "127.example", "::ffff:10.0.0.7")

local = st.one_of(
    st.sampled_from(LOCAL),
    st.ip_addresses(v=4, network="127.0.0.0/8").map(str),
    st.from_regex(r"/[a-z/]{1,20}", fullmatch=True),
)
remote = st.one_of(
    st.sampled_from(REMOTE),
    st.from_regex(r"[a-z][a-z0-9-]{0,20}\.example", fullmatch=True),
    st.ip_addresses().filter(lambda address: not address.is_loopback).map(str),
)


@pytest.fixture(autouse=True)
def nothing_around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """An environment that adds nothing to an address."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("PGHOST", "PGHOSTADDR", "PGSSLMODE", "PGSERVICE", "PGREQUIRESSL", "PGGSSENCMODE", "PGSSLROOTCERT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PGSERVICEFILE", str(tmp_path_factory.getbasetemp() / "no service file"))
        yield monkeypatch


@pytest.fixture
def around(nothing_around: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment with a service file that names a remote host, encrypted and not."""
    services = tmp_path / "services"
    services.write_text("[far]\nhost=db.example\n[safe]\nhost=db.example\nsslmode=verify-full\n")
    nothing_around.setenv("PGSERVICEFILE", str(services))
    return nothing_around


@given(hosts=st.lists(local, min_size=1, max_size=4), mode=st.sampled_from(("", *OPTIONAL, *ENCRYPTED)))
def test_what_stays_on_the_machine_is_no_problem(hosts: list[str], mode: str) -> None:
    assert transport_problem(make_conninfo("", host=",".join(hosts), sslmode=mode or None, user="u")) is None


@given(hosts=st.lists(st.one_of(local, remote), min_size=1, max_size=4), mode=st.sampled_from(ENCRYPTED))
def test_a_mode_that_insists_is_no_problem(hosts: list[str], mode: str) -> None:
    assert transport_problem(make_conninfo("", host=",".join(hosts), sslmode=mode)) is None


@given(
    data=st.data(),
    near=st.lists(local, max_size=2),
    far=st.lists(remote, min_size=1, max_size=3),
    mode=st.sampled_from(("", *OPTIONAL)),
)
def test_each_remote_host_is_named_and_no_other_and_no_secret(
    data: st.DataObject, near: list[str], far: list[str], mode: str
) -> None:
    hosts = data.draw(st.permutations([*near, *far]))
    problem = transport_problem(
        make_conninfo(
            "", host=",".join(hosts), sslmode=mode or None, user="keeper", password=MARKER, sslpassword=MARKER
        )
    )
    assert problem is not None
    told = ", ".join(host for host in hosts if host in far and host not in near)
    assert problem == (
        f"The connection to {told} may be unencrypted because sslmode is {mode or 'prefer'}; "
        "add sslmode=verify-full (or require) to DATABASE_URL."
    )


@given(password=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_an_address_in_either_form_keeps_its_password(password: str) -> None:
    secret = f"{MARKER}{password}{MARKER}"
    for url in (
        f"postgresql://keeper:{quote(secret, safe='')}@db.example:5433/kept?sslmode=prefer",
        make_conninfo("", host="db.example", password=secret, sslmode="prefer"),
    ):
        problem = transport_problem(url)
        assert problem is not None
        assert MARKER not in problem
        assert "db.example may" in problem


@given(st.text(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_an_address_or_refused(url: str) -> None:
    try:
        problem = transport_problem(url)
    except DatabaseRefusedError:
        return
    assert problem is None or problem.startswith("The connection to ")


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ({"hostaddr": "10.0.0.7"}, "10.0.0.7"),
        ({"host": "localhost", "hostaddr": "10.0.0.7"}, "localhost"),
        ({"host": "db.example", "hostaddr": "127.0.0.1"}, None),
        ({"host": "a.example,b.example", "hostaddr": "127.0.0.1,"}, "b.example"),
        ({"host": "db.example", "gssencmode": "require"}, None),
        ({"host": "db.example", "sslrootcert": "system"}, None),
        ({"host": "a.example,b.example,c.example,d.example"}, "a.example, b.example, c.example and 1 more"),
        ({"host": "x" * 5000}, "x" * 100),
    ],
)
def test_where_the_connection_really_goes_decides(address: dict[str, str], named: str | None) -> None:
    problem = transport_problem(make_conninfo("", **address))
    assert (problem or "").partition(" may be")[0] == (f"The connection to {named}" if named else "")


def test_what_an_address_leaves_open_comes_from_where_libpq_takes_it(around: pytest.MonkeyPatch) -> None:
    assert transport_problem("dbname=kept") is None
    assert "db.example" in (transport_problem("service=far") or "")
    assert transport_problem("service=safe") is None
    around.setenv("PGHOST", "other.example")
    assert "other.example" in (transport_problem("dbname=kept") or "")
    assert transport_problem("host=/run/postgresql") is None
    around.setenv("PGSSLMODE", "require")
    assert transport_problem("dbname=kept") is None
    assert "sslmode is allow" in (transport_problem("dbname=kept sslmode=allow") or "")
    around.delenv("PGSSLMODE")
    around.setenv("PGSERVICE", "far")
    around.delenv("PGHOST")
    assert "db.example" in (transport_problem("dbname=kept") or "")


def test_nothing_is_connected_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        assert transport_problem(f"host=127.0.0.1 port={listening.getsockname()[1]}") is None
        with pytest.raises(BlockingIOError):
            listening.accept()
