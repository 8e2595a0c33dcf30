"""One week's rows replaced in an operator's picks file of whatever form; nothing else of it touched."""

import fcntl
import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.csv_rows import decode_text
from core.picks import editing
from core.picks.editing import COLUMNS, replace_week, with_week
from core.picks.file import parse_picks
from core.picks.source import PickDraft
from db.records import Action
from tests.core.test_staging import HEADER, OTHERS, beside, mode, rows, text
from tests.core.world import FIRST, PICKS, SECOND, THIRD

REASONS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40
) | st.sampled_from(
    [
        '"',
        '""',
        "a\rb",
        "\r\n",
        "\n,",
        " leading",
        "trailing \t",
        "🙂,\u202e",
        "\ufeffx",
        "'=1+1",
        '"quoted", and "',
        "\u2028",
    ]
)
DRAFTS = st.tuples(*[REASONS.filter(str.strip)] * 3).map(
    lambda reasons: tuple(
        PickDraft(ticker, action, reason)
        for ticker, action, reason in zip(
            ("T", "GM", "BRK.B"), (Action.BUY, Action.SELL, Action.BUY), reasons, strict=True
        )
    )
)
WEEKS = st.lists(st.tuples(st.sampled_from([FIRST, SECOND, THIRD]), DRAFTS | st.just(())), max_size=6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picks.csv"


@given(WEEKS, st.permutations(COLUMNS), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.booleans())
def test_what_is_staged_is_what_is_read(
    weeks: list[tuple[date, tuple[PickDraft, ...]]], columns: list[str], end: str, marked: bool, ended: bool
) -> None:
    """Whatever the reasoning holds, in files of whatever form."""
    content = (b"\xef\xbb\xbf" if marked else b"") + (",".join(columns) + end * ended).encode()
    held: dict[date, tuple[PickDraft, ...]] = {}
    for run_date, drafts in weeks:
        content = with_week(content, "-", run_date, drafts)
        held[run_date] = drafts
        assert parse_picks(decode_text(content, "-"), "-") == {d: held[d] for d in sorted(held) if held[d]}
        assert content.startswith(b"\xef\xbb\xbf") == marked


def test_rows_of_separators_alone_stay_where_they_are() -> None:
    header = ",".join(reversed(COLUMNS))
    before = f",,,\n{header}\n,,,\n,\n".encode()
    after = with_week(before, "-", FIRST, PICKS)
    assert after.startswith(before)
    assert parse_picks(decode_text(after, "-"), "-") == {FIRST: PICKS}
    assert with_week(after, "-", FIRST, ()) == before


@given(DRAFTS, DRAFTS, DRAFTS, st.sampled_from(["\n", "\r\n"]))
def test_the_other_rows_stay_byte_for_byte(
    first: tuple[PickDraft, ...], second: tuple[PickDraft, ...], other: tuple[PickDraft, ...], end: str
) -> None:
    """Also where they are written as no program of ours would write them."""
    mine = f'{THIRD},"t",buy,"odd ""quotes"""{end}{end}{THIRD},aaa,Sell,x{end}'
    last = f"{THIRD},BBB,BUY,y"
    content = (HEADER.replace("\n", end) + mine + last).encode()
    with_first = with_week(content, "-", FIRST, first)
    assert with_first.startswith(content + end.encode())
    both = with_week(with_first, "-", SECOND, second)
    assert both.startswith(with_first)
    assert with_week(both, "-", SECOND, ()) == with_first
    changed = with_week(both, "-", FIRST, other)
    assert with_week(changed, "-", FIRST, first) == both


def test_rows_that_lie_apart_are_replaced_together_where_the_first_stood() -> None:
    one, two, three = rows(FIRST, PICKS).splitlines(keepends=True)
    other, *others = rows(SECOND, PICKS).splitlines(keepends=True)
    content = "".join([HEADER, one, other, two, *others, three])
    changed = with_week(content.encode(), "-", FIRST, OTHERS)
    assert changed.decode() == HEADER + rows(FIRST, OTHERS) + rows(SECOND, PICKS)


def test_a_link_stays_a_link_and_the_file_keeps_its_mode(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "mine.csv"
    path.symlink_to(Path("elsewhere") / "mine.csv")
    replace_week(path, SECOND, PICKS)
    assert path.is_symlink()
    assert mode(target) == 0o600
    target.chmod(0o640)
    replace_week(path, THIRD, PICKS)
    assert path.is_symlink()
    assert mode(target) == 0o640
    assert text(target) == HEADER + rows(SECOND, PICKS) + rows(THIRD, PICKS)
    assert beside(target) == [target.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_file_keeps_its_owner(path: Path) -> None:
    path.write_text(HEADER)
    os.chown(path, 12345, 23456)
    replace_week(path, SECOND, PICKS)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_a_writer_waits_for_another_and_not_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editing, "_LONGEST_WAIT_S", 0.05)
    holder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(editing.FileUnwritableError, match="another process has held the lock"):
        replace_week(path, SECOND, PICKS)
    os.close(holder)
    replace_week(path, SECOND, PICKS)
    assert path.exists()
