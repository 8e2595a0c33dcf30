import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tickers import canonical_ticker, is_ticker, parse_ticker

FIRST = string.ascii_uppercase
LATER = FIRST + string.digits + "."


@given(st.text())
def test_any_text_is_a_ticker_in_the_one_form_or_refused(text: str) -> None:
    try:
        ticker = parse_ticker(text)
    except ValueError:
        return
    assert 1 <= len(ticker) <= 10
    assert ticker[0] in FIRST
    assert set(ticker) <= set(LATER)
    assert parse_ticker(ticker) == ticker


@given(st.text(FIRST, min_size=1, max_size=1), st.text(LATER, max_size=9))
def test_every_ticker_of_the_form_is_accepted_in_either_case(head: str, tail: str) -> None:
    assert parse_ticker(head + tail) == head + tail
    assert parse_ticker(f" {(head + tail).lower()}\n") == head + tail


@given(st.text(FIRST, min_size=1, max_size=1), st.text(LATER, max_size=9), st.data())
def test_a_class_is_one_ticker_after_any_mark(head: str, tail: str, data: st.DataObject) -> None:
    marks = st.sampled_from("./-")
    spelled = head + "".join(data.draw(marks) if letter == "." else letter for letter in tail)
    assert parse_ticker(f"\t{spelled.lower()} ") == canonical_ticker(spelled) == head + tail
    assert is_ticker(spelled), "a stored row may spell it so"


@pytest.mark.parametrize("text", ["", " ", "1A", ".A", "A B", "A_B", "ABCDEFGHIJK", "ÄPFEL", "ſPY", "A\0", "A,B"])
def test_anything_else_is_refused_and_named(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_ticker(text)
    assert repr(text) in str(caught.value)


def test_hostile_text_is_cut_in_the_message() -> None:
    with pytest.raises(ValueError) as caught:
        parse_ticker("A" * 1_000_000)
    assert len(str(caught.value)) < 200
