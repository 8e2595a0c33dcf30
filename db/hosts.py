"""Which of an address's hosts are asked: all of them, but for old primaries, which are left out for a while."""

import time

from psycopg.conninfo import conninfo_to_dict, make_conninfo

SHUNNED_FOR_S = 60.0


class Hosts:
    """The hosts of `conninfo`, which libpq tries in their order.

    An old primary that comes back takes writes like a true one, and may stand first in the address: unless it is left
    out, every new connection would lead to it.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        parts = conninfo_to_dict(conninfo)
        self._lists: dict[str, list[str]] = {
            name: str(parts[name]).split(",") for name in ("host", "hostaddr", "port") if name in parts
        }
        self._count = max((len(values) for values in self._lists.values()), default=1)
        self._shunned: dict[tuple[str, int], float] = {}

    def shun(self, host: str, port: int) -> None:
        """Leaves a host out for a minute; it may be a sound standby by then."""
        self._shunned[host, port] = time.monotonic() + SHUNNED_FOR_S

    def conninfo(self) -> str:
        """The address without the hosts that are left out; whole where no other is left."""
        now = time.monotonic()
        self._shunned = {host: until for host, until in self._shunned.items() if until > now}
        kept = [place for place in range(self._count) if self._host_at(place) not in self._shunned]
        if not kept or len(kept) == self._count:
            return self._conninfo
        lists = {
            name: ",".join(values[place] for place in kept)
            for name, values in self._lists.items()
            if len(values) == self._count  # a single port stands for every host
        }
        return make_conninfo(self._conninfo, **lists)

    def _host_at(self, place: int) -> tuple[str, int]:
        def at(name: str) -> str:
            values = self._lists.get(name, [""])
            return values[place if len(values) == self._count else 0]

        return at("host") or at("hostaddr"), int(at("port") or 5432)
