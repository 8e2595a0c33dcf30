"""A primary and a streaming standby, which swap their parts at each failover, as one multi-host address."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import make_conninfo

from tests.faults.servers import Server, wait_until


class Pair:
    """Two servers on loopback, reached by one address that leads to whichever takes writes.

    With `synchronous` a commit is acknowledged once the standby has it too. While there is no standby the primary does
    without, as cluster software has it, so that one of two machines is enough to work on.
    """

    def __init__(self, directory: Path, *, synchronous: bool) -> None:
        self._synchronous = synchronous
        self._hosts = (Server(directory / "a"), Server(directory / "b"))
        self.primary, self.standby = self._hosts

    def start(self) -> None:
        """Makes and starts both."""
        self.primary.initialise()
        self.primary.start()
        self.rebuild_standby()

    def conninfo(self, database: str) -> str:
        """The address of both, in an order that no failover changes."""
        return make_conninfo(
            self.primary.conninfo(database),
            host=",".join("127.0.0.1" for _ in self._hosts),
            port=",".join(str(server.port) for server in self._hosts),
            target_session_attrs="read-write",
        )

    @property
    def lacks_standby(self) -> bool:
        """Whether only one of the two is at work."""
        return not self.standby.processes()

    def kill_primary(self) -> None:
        """Ends the primary as a power cut does, apart from what the kernel has already sent to the standby."""
        self.primary.kill()

    def freeze_primary(self) -> None:
        """Makes the primary fall silent with every connection left open."""
        self.primary.freeze()

    def promote(self) -> Server:
        """Makes the standby the primary, returns once it takes writes, and gives the old primary."""
        self.standby.query("select pg_promote(wait => false)")
        wait_until(
            lambda: self.standby.query("select not pg_is_in_recovery()") == [(True,)], "the standby has become primary"
        )
        self.primary, self.standby = self.standby, self.primary
        return self.standby

    def rebuild_standby(self) -> None:
        """Makes a standby anew where the killed primary was, and returns once it streams."""
        self.standby.copy_of(self.primary)
        self.standby.start()
        wait_until(lambda: self._streams("streaming", "async"), "the standby streams")
        if self._synchronous:
            self.primary.configure(synchronous_standby_names="*")
            self.standby.configure(synchronous_standby_names="")
            wait_until(lambda: self._streams("streaming", "sync"), "the standby is waited for")

    def do_without_standby(self) -> None:
        """Lets the primary acknowledge what it has alone, as cluster software does when the standby is gone."""
        self.primary.configure(synchronous_standby_names="")

    def cut_replication(self) -> None:
        """Parts the standby from its primary, which does not wait for it: what is committed from now on is lost."""
        self.standby.query("alter system set primary_conninfo = ''")
        self.standby.query("select pg_reload_conf()")
        wait_until(
            lambda: not self.primary.query("select from pg_stat_replication"), "the standby has left its primary"
        )

    def remove(self) -> None:
        """Kills whatever runs and removes every file."""
        for server in self._hosts:
            server.remove()

    def _streams(self, state: str, sync_state: str) -> bool:
        return self.primary.query("select state, sync_state from pg_stat_replication") == [(state, sync_state)]


@contextmanager
def pair(directory: Path, *, synchronous: bool = False) -> Iterator[Pair]:
    """A primary and its standby at work; both are gone at the end, however it ends.

    `directory` has to be one that the servers' user can reach. Raises EmbeddedServerError where there is no PostgreSQL
    to run.
    """
    made = Pair(directory, synchronous=synchronous)
    try:
        made.start()
        yield made
    finally:
        made.remove()
