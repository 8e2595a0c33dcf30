"""Old primaries are left out of an address for a while, whatever its form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from db.hosts import SHUNNED_FOR_S, Hosts

HOST = st.sampled_from(["a.example", "b.example", "10.0.0.1", "/run/x"])


@given(
    hosts=st.lists(st.tuples(HOST, st.integers(1, 9)), min_size=1, max_size=5, unique=True),
    shunned=st.lists(st.tuples(HOST, st.integers(1, 9)), max_size=4),
)
def test_what_is_left_keeps_its_order(hosts: list[tuple[str, int]], shunned: list[tuple[str, int]]) -> None:
    names, ports = ",".join(host for host, _ in hosts), ",".join(str(port) for _, port in hosts)
    address = Hosts(f"host={names} port={ports} dbname=x application_name='a b'")
    for host, port in shunned:
        address.shun(host, port)
    left = [pair for pair in hosts if pair not in shunned] or hosts
    parts = conninfo_to_dict(address.conninfo())
    assert parts == {
        "host": ",".join(host for host, _ in left),
        "port": ",".join(str(port) for _, port in left),
        "dbname": "x",
        "application_name": "a b",
    }


@pytest.mark.parametrize(
    ("address", "shunned", "left"),
    [
        ("postgresql://u:p@a.example,b.example/x", ("a.example", 5432), {"host": "b.example"}),
        ("host=a.example,b.example port=6000", ("b.example", 6000), {"host": "a.example", "port": "6000"}),
        ("host=a.example,b.example port=6000", ("b.example", 5432), {"host": "a.example,b.example"}),
        ("hostaddr=10.0.0.1,10.0.0.2 port=1,2", ("10.0.0.2", 2), {"hostaddr": "10.0.0.1", "port": "1"}),
        ("host=a.example", ("a.example", 5432), {"host": "a.example"}),
        ("dbname=x", ("", 5432), {"dbname": "x"}),
    ],
)
def test_forms_of_addresses(address: str, shunned: tuple[str, int], left: dict[str, str]) -> None:
    hosts = Hosts(address)
    hosts.shun(*shunned)
    assert conninfo_to_dict(hosts.conninfo()).items() >= left.items()


def test_a_host_comes_back_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("db.hosts.time.monotonic", lambda: now)
    hosts = Hosts("host=a,b")
    hosts.shun("a", 5432)
    assert conninfo_to_dict(hosts.conninfo()) == {"host": "b"}
    now += SHUNNED_FOR_S
    assert conninfo_to_dict(hosts.conninfo()) == {"host": "a,b"}
