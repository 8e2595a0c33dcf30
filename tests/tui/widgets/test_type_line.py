"""The line of event types: whole where it has room, and always with the chosen one on it."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from db.events import EventType
from tui.widgets.type_line import _NAMES, TYPES, types_words


def test_every_type_has_a_name_of_its_own() -> None:
    assert (None, *EventType) == TYPES
    assert len(set(_NAMES.values())) == len(_NAMES)


@pytest.mark.parametrize("chosen", TYPES)
def test_all_have_room_on_a_roomy_screen_and_most_on_the_smallest(chosen: EventType | None) -> None:
    assert types_words(chosen, Text(), 118).plain.split() == list(_NAMES.values())
    shown = types_words(chosen, Text(), 78).plain.split()
    assert _NAMES[chosen] in shown
    assert len(shown) > len(_NAMES) / 2


@settings(deadline=None)  # a machine that is busy otherwise proves nothing
@given(st.sampled_from(TYPES), st.integers(20, 200), st.sampled_from(["", "12 newer", "999+ newer", "following"]))
def test_it_fits_shows_the_chosen_one_and_says_where_some_are_left_out(
    chosen: EventType | None, width: int, note: str
) -> None:
    text = types_words(chosen, Text(note), width)
    assert text.cell_len <= width
    assert text.plain.endswith(note)
    shown = text.plain[: len(text.plain) - len(note)].split()
    names = [name for name in shown if name != "…"]
    every = list(_NAMES.values())
    first = every.index(names[0])
    assert names == every[first : first + len(names)], "in their order, none cut off"
    assert _NAMES[chosen] in names
    assert (shown[0] == "…", shown[-1] == "…") == (first > 0, first + len(names) < len(every)) or len(names) == 1
    chosen_at = text.plain.index(_NAMES[chosen])
    assert any("chosen" in str(span.style) and span.start <= chosen_at < span.end for span in text.spans)


def test_more_room_never_shows_fewer() -> None:
    for chosen in TYPES:
        counts = [len(types_words(chosen, Text("following"), width).plain.split()) for width in range(24, 160)]
        assert all(later >= earlier - 1 for earlier, later in pairwise(counts))
        assert counts[-1] == len(TYPES) + 1
