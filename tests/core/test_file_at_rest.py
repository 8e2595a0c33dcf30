"""When a file counts, to the second; `test_growing_files.py` shows what follows for weeks and days."""

import itertools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import core.file_at_rest
from core import csv_rows
from core.csv_rows import FileError, FileUnreadableError, read_rows
from core.file_at_rest import LONG_REST, SHORT_REST, FileAtRest, UnfinishedFileError, label_of, read_text, showing_waits
from tests.planting import WAYS, plant, within, write_as_another

SHORT, LONG = SHORT_REST.total_seconds(), LONG_REST.total_seconds()
AGES_AGO = 1_000_000_000


@dataclass(slots=True)
class Written:
    """A file, and a clock by which some time has passed since it was written. What waits moves the clock on."""

    path: Path
    now: float = 1_000_000
    written_at: float = 1_000_000
    skew: float = 0
    waits: list[float] = field(default_factory=list)
    meanwhile: list[Callable[[], None]] = field(default_factory=list)
    parsed: list[str] = field(default_factory=list)

    def write(self, text: str, *, append: bool = False) -> None:
        with self.path.open("a" if append else "w", encoding="utf-8") as file:
            file.write(text)
        self.written_at = self.now

    def parse(self, text: str, label: str) -> str:
        self.parsed.append(text)
        return text

    def file(self) -> FileAtRest[str]:
        """The file as one process sees it."""
        return FileAtRest(self.path, self.parse, clock=self)

    def wall(self) -> float:
        return time.time() + self.now - self.written_at + self.skew

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        if self.meanwhile:
            self.meanwhile.pop(0)()


@pytest.fixture
def written(tmp_path: Path) -> Written:
    written = Written(tmp_path / "f.csv")
    written.write("a\n1\n")
    return written


class TestAFileOfOthers:
    @pytest.mark.parametrize("way", WAYS)
    async def test_is_refused_unless_it_was_given_by_hand(self, written: Written, way: str) -> None:
        write_as_another(written.path, "a\n1\n", way)
        written.now += LONG
        with pytest.raises(FileUnreadableError, match=r"f\.csv is refused: "):
            written.file().glance()
        with pytest.raises(FileUnreadableError, match=r"f\.csv is refused: ") as caught:
            await written.file().read()
        assert ("chown" if way == WAYS[0] else "chmod go-w") in caught.value.remedy
        assert written.parsed == []
        by_hand = FileAtRest(written.path, written.parse, clock=written, given_by_hand=True)
        assert (await by_hand.read()).content == "a\n1\n"

    async def test_is_refused_from_the_moment_at_which_it_is_theirs(self, written: Written) -> None:
        file = written.file()
        written.now += LONG
        await file.read()
        written.path.chmod(0o666)
        with pytest.raises(FileUnreadableError, match="may write it"):
            await file.read()
        written.path.chmod(0o640)
        assert (await file.read()).content == "a\n1\n"

    def test_a_pipe_that_takes_its_place_is_not_waited_for(
        self, written: Written, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between the look at what stands there and the opening of it."""
        look = core.file_at_rest._state

        def swap(path: Path) -> tuple[tuple[int, ...], float]:
            found = look(path)
            path.unlink()
            os.mkfifo(path)
            return found

        monkeypatch.setattr("core.file_at_rest._state", swap)
        with pytest.raises(FileUnreadableError, match="it is a FIFO, not a regular file"):
            written.file().glance()


class TestAFreshProcess:
    async def test_reads_a_file_at_rest_without_waiting(self, written: Written) -> None:
        written.now += LONG
        reading = await written.file().read(complete=True)
        assert (reading.content, reading.is_complete, written.waits) == ("a\n1\n", True, [])

    async def test_checks_a_young_file_twice(self, written: Written) -> None:
        written.now += LONG - SHORT - 1
        reading = await written.file().read()
        assert (reading.content, reading.is_complete, written.waits) == ("a\n1\n", False, [SHORT])

    @pytest.mark.parametrize("skew", [-AGES_AGO, -LONG])
    async def test_does_not_trust_a_time_in_the_future(self, written: Written, skew: float) -> None:
        written.skew = skew
        file = written.file()
        with pytest.raises(UnfinishedFileError):
            await file.read(complete=True)
        written.now += LONG - SHORT
        assert (await file.read(complete=True)).is_complete

    async def test_does_not_trust_the_time_of_a_copy(self, written: Written) -> None:
        os.utime(written.path, (AGES_AGO, AGES_AGO))
        assert not (await written.file().read()).is_complete

    async def test_refuses_a_file_that_grows_between_the_checks(self, written: Written) -> None:
        written.meanwhile = [lambda: written.write("2\n", append=True)]
        with pytest.raises(UnfinishedFileError, match="changed just now"):
            await written.file().read()
        assert (written.waits, written.parsed) == ([SHORT], [])

    @pytest.mark.parametrize("age", [0, LONG])
    async def test_refuses_a_file_whose_content_alone_changed(
        self, written: Written, age: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As where a file is mapped into memory, or kept by a server: its times follow later."""
        written.now += age
        state = core.file_at_rest._state(written.path)
        contents = itertools.count()
        monkeypatch.setattr("core.file_at_rest._state", lambda path: state)
        monkeypatch.setattr("core.file_at_rest._read_bytes", lambda path, **_: b"a\n%d\n" % next(contents))
        with pytest.raises(UnfinishedFileError):
            await written.file().read()
        assert written.parsed == []


class TestTheLastLine:
    async def test_without_an_end_is_no_row_until_the_file_was_at_rest(self, written: Written) -> None:
        written.write("a\n1")
        file = written.file()
        for _ in range(3):
            with pytest.raises(UnfinishedFileError):
                await file.read()
        assert written.parsed == []
        written.now += LONG
        assert (await file.read()).content == "a\n1"

    async def test_of_an_older_file_is_waited_for_as_long_as_it_takes(self, written: Written) -> None:
        written.write("a\n1")
        written.now += LONG - SHORT
        assert (await written.file().read()).content == "a\n1"
        assert written.waits == [SHORT]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    async def test_with_any_line_end_is_a_row(self, written: Written, end: str) -> None:
        written.path.write_bytes(f"a{end}1{end}".encode())
        assert (await written.file().read()).content == f"a{end}1{end}"


class TestALongRunningProcess:
    async def test_uses_a_new_file_at_once_and_one_that_it_saw_change_after_minutes(self, written: Written) -> None:
        file = written.file()
        assert (await file.read(whole=True)).content == "a\n1\n"
        written.now += 1
        written.write("a\n1\n2\n")
        with pytest.raises(UnfinishedFileError, match="rows may be missing"):
            await file.read(whole=True)
        written.now += LONG
        assert (await file.read(whole=True)).content == "a\n1\n2\n"

    async def test_asks_again_what_it_may_lack(self, written: Written) -> None:
        file = written.file()
        assert not (await file.read()).is_complete
        with pytest.raises(UnfinishedFileError, match=r"less than 2 minutes ago"):
            await file.read(complete=True)
        written.now += LONG - SHORT
        assert (await file.read(complete=True)).is_complete
        assert written.parsed == ["a\n1\n"]

    async def test_looks_once_where_its_last_look_saw_the_same(self, written: Written) -> None:
        file = written.file()
        with pytest.raises(UnfinishedFileError):
            file._look(complete=False)
        written.now += SHORT
        assert (await file.read()).content == "a\n1\n"
        assert written.waits == []

    async def test_knows_from_its_own_looks_that_a_clock_was_set_ahead(self, written: Written) -> None:
        file = written.file()
        await file.read()
        written.now += 1
        written.write("a\n2\n")
        written.skew = AGES_AGO
        assert not (await file.read()).is_complete
        written.now += LONG
        assert (await file.read()).is_complete

    async def test_keeps_what_it_found_when_a_clock_is_set_back(self, written: Written) -> None:
        written.now += LONG
        file = written.file()
        await file.read()
        written.skew = -AGES_AGO
        assert (await file.read(complete=True)).is_complete

    async def test_reads_again_only_what_changed(self, written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
        written.now += LONG
        file = written.file()
        first = await file.read()
        with monkeypatch.context() as patch:
            patch.setattr("core.file_at_rest._read_bytes", lambda path, **_: pytest.fail("an unchanged file was read"))
            assert await file.read() is first
        written.write("a\n2\n")
        assert (await file.read()).content == "a\n2\n"
        assert len(written.parsed) == 2

    async def test_sees_a_file_replaced_by_one_of_the_same_size_and_time(self, written: Written) -> None:
        os.utime(written.path, (AGES_AGO, AGES_AGO))
        file = written.file()
        await file.read()
        replacement = written.path.with_name("new.csv")
        replacement.write_text("a\n2\n")
        os.utime(replacement, (AGES_AGO, AGES_AGO))
        replacement.replace(written.path)
        assert (await file.read()).content == "a\n2\n"

    async def test_does_not_serve_a_file_from_memory_that_vanished(self, written: Written) -> None:
        file = written.file()
        await file.read()
        written.path.unlink()
        with pytest.raises(FileUnreadableError):
            await file.read()

    async def test_reads_a_broken_file_again_when_it_is_corrected(self, written: Written) -> None:
        file = FileAtRest(written.path, lambda text, label: list(read_rows(text, label, ("b",))), clock=written)
        with pytest.raises(FileError, match="unknown column"):
            await file.read()
        written.write("b\n1\n")
        assert (await file.read()).content == [(2, ("1",))]


class TestAnOperatorsCommand:
    @pytest.fixture
    def shown(self) -> list[str]:
        return []

    async def test_waits_for_a_writer_and_says_so_once(self, written: Written, shown: list[str]) -> None:
        written.meanwhile = [lambda: written.write("2\n", append=True)] * 4
        with showing_waits(shown.append):
            reading = await written.file().read()
        assert reading.content == "a\n1\n2\n2\n2\n2\n"
        problem = f"{written.path} changed just now, so it may be unfinished"
        assert shown == [f"{problem}; waiting until it has been unchanged for 3 seconds."]

    async def test_waits_until_the_file_can_be_complete(self, written: Written, shown: list[str]) -> None:
        with showing_waits(shown.append):
            assert (await written.file().read(complete=True)).is_complete
        assert sum(written.waits) == pytest.approx(LONG, abs=1)
        assert shown[1].endswith("so rows may be missing; waiting until it has been unchanged for 2 minutes.")

    async def test_does_not_wait_for_a_line_end_that_its_operator_can_add(
        self, written: Written, shown: list[str]
    ) -> None:
        written.write("a\n1")
        with showing_waits(shown.append), pytest.raises(UnfinishedFileError) as caught:
            await written.file().read()
        assert caught.value.message == f"{written.path}: the last line has no line end, so it may be cut"
        assert caught.value.remedy.startswith("End the last line, ")
        assert written.waits == [SHORT]

    async def test_ends_although_the_writer_does_not(self, written: Written, shown: list[str]) -> None:
        written.meanwhile = [lambda: written.write("2\n", append=True)] * 1000
        with showing_waits(shown.append), pytest.raises(UnfinishedFileError):
            await written.file().read()
        assert LONG < sum(written.waits) < 2 * LONG


def test_a_glance_shows_what_is_there_and_keeps_nothing_unfinished(written: Written) -> None:
    written.write("a\n1")
    file = written.file()
    assert file.glance() == "a\n1"
    written.write("a\n12")
    assert file.glance() == "a\n12"


chunks = st.lists(st.tuples(st.integers(1, 9), st.floats(0, LONG - SHORT - 1)), min_size=1, max_size=30)


@given(st.text("ab\r\n", min_size=1, max_size=60), chunks, st.booleans())
async def test_nothing_of_a_growing_file_is_taken_for_complete(
    tmp_path_factory: pytest.TempPathFactory, text: str, chunks: list[tuple[int, float]], is_one_process: bool
) -> None:
    """Whatever part stands there, and for how long less than two minutes: only whole lines of it are parsed."""
    whole = f"{text}\n"
    written = Written(tmp_path_factory.mktemp("growing") / "f.csv")
    written.write("")
    file, length = written.file(), 0
    for size, pause in chunks:
        written.write(whole[length : length + size], append=True)
        length += size
        if length >= len(whole):
            break
        written.now += pause
        try:
            reading = await (file if is_one_process else written.file()).read()
        except UnfinishedFileError:
            continue
        assert not reading.is_complete
        assert whole.encode().startswith(reading.content.encode())
        assert not reading.content or reading.content[-1] in "\r\n"
    written.write(whole)
    written.now += LONG
    reading = await file.read(complete=True)
    assert (reading.content, reading.is_complete) == (whole, True)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert read_text(path) == "a,b\n1,2\n"


@pytest.mark.parametrize("name", ["absent.csv", "", "x" * 300, "a\0b"], ids=["absent", "directory", "long", "nul"])
async def test_a_path_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileUnreadableError, match="cannot read"):
        read_text(tmp_path / name)
    with pytest.raises(FileUnreadableError, match="cannot read"):
        await FileAtRest(tmp_path / name, lambda text, label: text).read()


async def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileUnreadableError, match="not a regular file"):
        await FileAtRest(tmp_path / "pipe", lambda text, label: text).read()


def test_a_pipe_put_in_a_files_place_after_the_look_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.csv"
    path.write_text("1\n")
    look = core.file_at_rest._state

    def exchange(looked_at: Path) -> tuple[tuple[int, ...], float]:
        found = look(looked_at)
        plant(path, "a FIFO", path)
        return found

    monkeypatch.setattr(core.file_at_rest, "_state", exchange)
    with within(10), pytest.raises(FileUnreadableError, match="not a regular file"):
        FileAtRest(path, lambda text, label: text).glance()


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(b"a" * 11)
    monkeypatch.setattr(csv_rows, "FILE_LIMIT", 11)
    assert read_text(path) == "a" * 11
    monkeypatch.setattr(csv_rows, "FILE_LIMIT", 10)
    with pytest.raises(FileError, match="larger than 10 bytes"):
        read_text(path)


def test_a_name_that_is_not_utf_8_is_shown_as_text_that_can_be_stored(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv"))
    assert label_of(path) == f"{tmp_path}/caf\\udce9.csv"
    path.write_bytes(b"\xff\n")
    with pytest.raises(FileError) as caught:
        read_text(path)
    caught.value.message.encode()
    path.unlink()
    with pytest.raises(FileUnreadableError) as unreadable:
        read_text(path)
    unreadable.value.message.encode()


async def test_threads_that_ask_at_once_share_one_parse(tmp_path: Path) -> None:
    parsing, go_on = threading.Event(), threading.Event()
    count = 0

    def parse(text: str, label: str) -> str:
        nonlocal count
        count += 1
        parsing.set()
        assert go_on.wait(10)
        return text

    path = tmp_path / "f.csv"
    path.write_text("one\n")
    file = FileAtRest(path, parse)
    received: list[str] = []
    threads = [threading.Thread(target=lambda: received.append(file.glance())) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert parsing.wait(10)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert received == ["one\n"] * 4
    assert count == 1
