"""The system user that the embedded PostgreSQL runs as, and what that user runs, reaches and owns."""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from db.errors import EmbeddedServerError

NO_CLUSTER = Path("/nonexistent")
SET_DATA_DIR = "set ALPHA_MONDAY_DATA_DIR to a directory"
OWN_ACCOUNT = "alpha-monday"
_ACCOUNTS = (OWN_ACCOUNT, "postgres")  # the second runs the distribution's servers too, which others may get into
_USERADD_ARGUMENTS = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", OWN_ACCOUNT)
USERADD = " ".join(("useradd", *_USERADD_ARGUMENTS))
_SYSTEM_PATH = f"{os.defpath}:/usr/sbin:/sbin"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_FIRST_BARRED = """
for path do
    if test -d "$path"; then test -x "$path"; else test -r "$path"; fi || { printf %s "$path"; exit 0; }
done
"""


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user that PostgreSQL runs as: ourselves, or, because it refuses root, an account of its own.

    That is `alpha-monday`; where there is none, or a cluster of its exists, `postgres`.
    """

    name: str
    uid: int
    gid: int
    is_another: bool

    @classmethod
    def of(cls, cluster: Path) -> "ServerUser":
        """The user for the cluster directory `cluster`, which need not exist; as root its owner, if it does.

        Raises EmbeddedServerError where the cluster belongs to somebody else or no account is to be had.
        """
        if os.geteuid() == 0:
            candidates = cls._accounts() or [cls._of(_created_account())]
        else:
            candidates = [cls(f"user {os.geteuid()}", os.geteuid(), os.getegid(), is_another=False)]
        owner = cluster.lstat().st_uid if os.path.lexists(cluster) else None
        for candidate in candidates:
            if owner in (None, candidate.uid):
                return candidate
        raise EmbeddedServerError(
            f"{cluster} belongs to user {owner}, not to {' or '.join(user.name for user in candidates)}",
            f"run alpha-monday as its owner, or {SET_DATA_DIR} of your own",
        )

    @classmethod
    def shared_with(cls, cluster: Path) -> tuple["ServerUser", bool] | None:
        """As root, the account other than its own that `cluster` runs as, or would, and whether its own exists.

        None where it is its own, or where it is to be created. Raises EmbeddedServerError as `of`.
        """
        if os.geteuid() != 0 or not (accounts := cls._accounts()):
            return None
        user = cls.of(cluster)
        return None if user.name == OWN_ACCOUNT else (user, accounts[0].name == OWN_ACCOUNT)

    @classmethod
    def _accounts(cls) -> list["ServerUser"]:
        """The accounts of this machine that root may run PostgreSQL as, the preferred one first."""
        return [cls._of(found) for name in _ACCOUNTS if (found := _account(name)) is not None]

    @classmethod
    def _of(cls, account: pwd.struct_passwd) -> "ServerUser":
        return cls(account.pw_name, account.pw_uid, account.pw_gid, is_another=True)

    def run(
        self,
        command: Sequence[str | Path],
        *,
        data_directory: Path | None = None,
        stdout: int = subprocess.DEVNULL,
        stderr: int = subprocess.PIPE,
        keep: Sequence[int] = (),
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `command` as this user, for at most `timeout` seconds; of our descriptors it inherits only `keep`.

        It gets a session of its own, out of reach of the terminal's Ctrl-C, and an environment of its own,
        because ours may hold secrets and libpq's settings. Raises OSError or subprocess.TimeoutExpired.
        """
        environment = {"PATH": os.defpath, "LC_ALL": "C"}
        if data_directory is not None:
            # pg_ctl hands an argument to a shell in double quotes; a path may hold anything.
            environment["PGDATA"] = os.fspath(data_directory)
        return subprocess.run(  # noqa: S603 -- no shell; the programs are the wheel's and /bin/sh
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=keep,
            env=environment,
            cwd="/",
            user=self.uid if self.is_another else None,
            group=self.gid if self.is_another else None,
            extra_groups=[] if self.is_another else None,
            umask=0o077,
            start_new_session=True,
            timeout=timeout,
            check=False,
        )

    def first_barred(self, paths: Iterable[Path]) -> Path | None:
        """The first of `paths` that this user may not enter (a directory) or read (a file).

        Asked of the kernel, as that user, because access lists and mount options decide too.
        """
        command = ["/bin/sh", "-c", _FIRST_BARRED, "sh", *(str(path) for path in paths)]
        done = self.run(command, stdout=subprocess.PIPE)
        if done.returncode != 0:
            raise EmbeddedServerError(
                f"{self.name} cannot run /bin/sh: {printable(done.stderr)}", f"give {self.name} the right to run it"
            )
        return Path(os.fsdecode(done.stdout)) if done.stdout else None

    def owns_privately(self, directory: Path) -> bool:
        """Whether `directory` is a directory, no link, that this user owns and nobody else can enter."""
        try:
            status = directory.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return stat.S_ISDIR(status.st_mode) and status.st_uid == self.uid and not status.st_mode & _OTHERS

    def give(self, directory: Path) -> None:
        """Make this user the owner of `directory`, which the caller has just created."""
        if self.is_another:
            os.chown(directory, self.uid, self.gid, follow_symlinks=False)


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _created_account() -> pwd.struct_passwd:
    name = OWN_ACCOUNT
    said = "there is no useradd here"
    if (useradd := shutil.which("useradd", path=_SYSTEM_PATH)) is not None:
        done = subprocess.run(  # noqa: S603 -- no shell, and every argument is a constant
            [useradd, *_USERADD_ARGUMENTS], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
        )
        said = printable(done.stderr) or f"useradd ended with status {done.returncode}"
    if (account := _account(name)) is None:  # otherwise it is there, whether by us or by a concurrent start
        raise EmbeddedServerError(
            f"PostgreSQL refuses to run as root, and the system user {name} could not be created: {said}",
            f"create a system user called {name} ({USERADD}), or do not run as root",
        )
    return account


def printable(output: bytes, limit: int = 2000) -> str:
    """The last `limit` characters of a program's `output`, control characters other than line ends replaced."""
    text = output.decode(errors="replace").strip()[-limit:]
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in text)
