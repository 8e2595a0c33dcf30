"""Reading an operator's file only when no program is still writing it.

A file is used once two checks some seconds apart found the same size, times and content. What it lacks, and a last line
without its line end, count only once it has been at rest for minutes.
"""

import asyncio
import hashlib
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from core.csv_rows import FILE_LIMIT, FileUnreadableError, decode_text
from core.daemon_thread import DaemonThread
from core.trusted_file import read_with_trust

Content = TypeVar("Content")

SHORT_REST = timedelta(seconds=3)
LONG_REST = timedelta(minutes=2)
# A command waits for one writer that takes its time, and not for one that never ends.
_LONGEST_WAIT = LONG_REST + timedelta(seconds=30)
_READ_WITHIN = timedelta(minutes=1)
_LINE_ENDS = (b"\n", b"\r")
_show_wait: ContextVar[Callable[[str], None] | None] = ContextVar("show_wait", default=None)


class FileClock(Protocol):
    """Where the age of a file comes from, and how a wait passes."""

    def wall(self) -> float:
        """Seconds since 1970, as file times count them."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that is never set."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemFileClock:
    """The machine's clocks."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


CLOCK: FileClock = SystemFileClock()


class UnfinishedFileError(FileUnreadableError):
    """A file may be unfinished: it counts after a rest of `needed`, of which `missing_seconds` are left.

    `is_cut` says that its last line has no end, which its operator can add at once.
    """

    code = "file_unfinished"

    def __init__(
        self, message: str, remedy: str, needed: timedelta, missing_seconds: float, *, is_cut: bool = False
    ) -> None:
        super().__init__(message, remedy)
        self.needed = needed
        self.missing_seconds = missing_seconds
        self.is_cut = is_cut


@contextmanager
def showing_waits(show: Callable[[str], None]) -> Iterator[None]:
    """For the commands of an operator: reading waits up to 150 seconds for a file, and `show` gets a sentence."""
    token = _show_wait.set(show)
    try:
        yield
    finally:
        _show_wait.reset(token)


@dataclass(frozen=True, slots=True)
class Reading(Generic[Content]):
    """What a file holds; `is_complete` says that it was at rest for minutes, so that what it lacks is evidence."""

    content: Content
    is_complete: bool


@dataclass(slots=True)
class _Sight(Generic[Content]):
    """A file in one state: seen first at `since`, and in another state until `other_until` (monotonic seconds)."""

    state: tuple[int, ...]
    changed_at: float
    digest: bytes
    ends_its_last_line: bool
    since: float
    other_until: float | None
    reading: Reading[Content] | None = None


class FileAtRest(Generic[Content]):
    """A file that is parsed when it is at rest, and again only after it was changed or replaced.

    Once it was read, each further look costs one stat. Safe to share between threads.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[str, str], Content],
        *,
        label: str | None = None,
        clock: FileClock | None = None,
        given_by_hand: bool = False,
    ) -> None:
        """`parse` takes the file's text and its label for messages, and raises `FileError`.

        A file that a setting names is refused if another user can have written it; one that is `given_by_hand`, for
        one command, is the operator's own choice.
        """
        self.path = path
        self._given_by_hand = given_by_hand
        self.label = label or label_of(path)
        self._parse = parse
        self._clock = clock or CLOCK
        self._lock = threading.Lock()
        self._thread = DaemonThread(f"reading {path.name}")
        self._sight: _Sight[Content] | None = None
        self._looked_at: float | None = None

    async def read(self, *, complete: bool = False, whole: bool = False) -> Reading[Content]:
        """What the file holds, which must be `complete` where a row that is still to come changes what others mean.

        `whole` asks for that only once this process has seen the file change: an operator's new file is used at once.

        Waits three seconds for the second check, and longer within `showing_waits`. Raises `FileError`,
        `FileUnreadableError`, `UnfinishedFileError` for a file that is not at rest, and BlockedError if a check takes
        more than a minute, as on a mount that does not respond.
        """
        show = _show_wait.get()
        left = SHORT_REST.total_seconds() if show is None else _LONGEST_WAIT.total_seconds()
        shown = ""
        while True:
            try:
                return await self._thread.run(_READ_WITHIN, self._look, complete=complete, whole=whole)
            except UnfinishedFileError as exc:
                if exc.missing_seconds > left or (exc.is_cut and show is not None):
                    raise
                if show is not None and exc.message != shown:
                    shown = exc.message
                    show(f"{exc.message}; waiting until it has been unchanged for {_words(exc.needed)}.")
                await self._clock.sleep(exc.missing_seconds)
                left -= exc.missing_seconds

    def glance(self) -> Content:
        """What the file holds at this moment, finished or not: to be shown or checked, never to be stored.

        Blocks while it reads. Raises `FileError`.
        """
        try:
            return self._look().content
        except UnfinishedFileError:
            data = _read_bytes(self.path, given_by_hand=self._given_by_hand)
            return self._parse(decode_text(data, self.label), self.label)

    def _look(self, *, complete: bool = False, whole: bool = False) -> Reading[Content]:
        """One check. Raises `UnfinishedFileError` where another one has to follow."""
        with self._lock:
            state, changed_at = _state(self.path)
            now = self._clock.monotonic()
            looked_at, self._looked_at = self._looked_at, now
            sight = self._sight
            if sight is None or sight.state != state:
                data = self._bytes(state)
                ends_its_last_line = not data or data.endswith(_LINE_ENDS)
                sight = self._sight = _Sight(state, changed_at, _digest(data), ends_its_last_line, now, looked_at)
            if sight.reading is not None and sight.reading.is_complete:
                return sight.reading
            unchanged_for = self._unchanged_for(sight, now)
            complete = complete or (whole and sight.other_until is not None)
            self._require_rest(sight, now - sight.since, unchanged_for, complete=complete)
            is_complete = unchanged_for >= LONG_REST.total_seconds()
            if sight.reading is None or (is_complete and not sight.reading.is_complete):
                data = self._bytes(state)
                if _digest(data) != sight.digest:
                    self._sight = None
                    raise self._changing()
                before = sight.reading
                content = before.content if before else self._parse(decode_text(data, self.label), self.label)
                sight.reading = Reading(content, is_complete)
            return sight.reading

    def _unchanged_for(self, sight: _Sight[Content], now: float) -> float:
        """The seconds for which the file has been unchanged, by its own times or by what was seen of it.

        Its own times are not believed where they lie in the future, nor beyond the last look at which it was another.
        """
        age = self._clock.wall() - sight.changed_at
        if sight.other_until is not None:
            age = min(age, now - sight.other_until)
        return max(age, now - sight.since)

    def _require_rest(self, sight: _Sight[Content], observed: float, unchanged_for: float, *, complete: bool) -> None:
        """Raises `UnfinishedFileError` unless the file has been at rest for long enough to be used."""
        missing = LONG_REST.total_seconds() - unchanged_for
        if missing <= 0:
            return
        # Times that are only seconds old prove little: some file systems keep them late, and clocks differ.
        if observed < SHORT_REST.total_seconds():
            raise self._changing(observed)
        if not sight.ends_its_last_line:
            raise UnfinishedFileError(
                f"{self.label}: the last line has no line end, so it may be cut",
                f"End the last line, or leave the file unchanged for {_words(LONG_REST)}.",
                LONG_REST,
                missing,
                is_cut=True,
            )
        if complete:
            raise UnfinishedFileError(
                f"{self.label} changed less than {_words(LONG_REST)} ago, so rows may be missing",
                f"Try again when it has been unchanged for {_words(LONG_REST)}.",
                LONG_REST,
                missing,
            )

    def _changing(self, observed: float = 0) -> UnfinishedFileError:
        return UnfinishedFileError(
            f"{self.label} changed just now, so it may be unfinished",
            "Try again when it is written; write a file beside its place and rename it, and it is always whole.",
            SHORT_REST,
            SHORT_REST.total_seconds() - observed,
        )

    def _bytes(self, state: tuple[int, ...]) -> bytes:
        """The file's content. Raises `UnfinishedFileError` where it is no longer in `state` afterwards."""
        data = _read_bytes(self.path, given_by_hand=self._given_by_hand)
        if _state(self.path)[0] != state:
            self._sight = None
            raise self._changing()
        return data


def label_of(path: Path) -> str:
    """What messages call `path`: a byte of it that is not UTF-8 is escaped, so that the text can be stored."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def read_text(path: Path) -> str:
    """The text that stands at `path`, or comes through a pipe there, without a byte order mark.

    It is for what an operator gives a command; `FileAtRest` is for all that is stored. Raises `FileUnreadableError`, or
    `FileError` for more than 256 MiB and for invalid UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        raise _unreadable(path, exc) from exc
    return decode_text(data, label_of(path))


def _read_bytes(path: Path, *, given_by_hand: bool) -> bytes:
    try:
        data, distrust = read_with_trust(path, FILE_LIMIT)
    except (OSError, ValueError) as exc:
        raise _unreadable(path, exc) from exc
    if distrust is not None and not given_by_hand:
        raise FileUnreadableError(f"{label_of(path)} is refused: {distrust.problem}", distrust.remedy)
    return data


def _state(path: Path) -> tuple[tuple[int, ...], float]:
    """What changes whenever a file is written or replaced, and when it changed last (seconds since 1970)."""
    try:
        status = path.stat()
    except (OSError, ValueError) as exc:
        raise _unreadable(path, exc) from exc
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable(path, OSError(0, "it is not a regular file"))
    # A copy may carry the time of its original; only the kernel sets the other one.
    changed_at = max(status.st_mtime, status.st_ctime)
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev), changed_at


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _words(rest: timedelta) -> str:
    return f"{rest // timedelta(minutes=1)} minutes" if rest >= timedelta(minutes=1) else f"{rest.seconds} seconds"


def _unreadable(path: Path, exc: OSError | ValueError) -> FileUnreadableError:
    cause = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return FileUnreadableError(
        f"cannot read {str(path)!r}: {cause}", "Name a file that exists and that this user may read."
    )
