"""Facts of another version, or of nobody's, are read as far as they can be."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.facts import TEXT_LIMIT, count_in, instant_in, seconds_in, text_in

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)


@given(ANYTHING)
def test_whatever_stands_there_is_read_without_an_error(inner: object) -> None:
    value = {"key": inner}
    found = instant_in(value, "key")
    assert found is None or found.tzinfo is not None
    assert timedelta(0) <= seconds_in(value, "key") <= timedelta(days=1)
    assert text_in(value, "key") == (inner[:TEXT_LIMIT] if isinstance(inner, str) else None)
    assert count_in(value, "key") is None or count_in(value, "key") == inner


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC)), st.floats(0, 86_400))  # noqa: DTZ001 - bounds are naive
def test_what_was_written_is_read_back(instant: datetime, seconds: float) -> None:
    value = {"at": instant.isoformat(), "naive": instant.replace(tzinfo=None).isoformat(), "took_s": seconds}
    assert instant_in(value, "at") == instant
    assert instant_in(value, "naive") is None
    assert instant_in(value, "absent") is None
    assert seconds_in(value, "took_s") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59"])
def test_an_instant_that_no_other_zone_can_name_is_none(text: str) -> None:
    assert instant_in({"at": text}, "at") is None
