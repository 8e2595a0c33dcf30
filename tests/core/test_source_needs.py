"""What set-up asks for each source, and says of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.picks.registry import pick_source_names
from core.prices.registry import price_source_names
from core.settings import PROVIDER_SETTING, Settings
from core.source_needs import (
    FIRST_PICK_SOURCE,
    FIRST_PRICE_SOURCE,
    Need,
    about_source,
    all_needs,
    names_in,
    pick_source_needs,
    price_source_needs,
)

NEEDS = [*map(price_source_needs, price_source_names()), *map(pick_source_needs, pick_source_names())]


def test_of_the_houses_own() -> None:
    asked = {name: [(need.field, need.is_secret, need.is_path) for need in price_source_needs(name)] for name in (
        "alpaca", "alpha_vantage", "csv", "simulated", "tiingo", "yahoo"
    )}  # fmt: skip
    assert asked == {
        "alpaca": [("alpaca_key", True, False)],
        "alpha_vantage": [("alpha_vantage_key", True, False)],
        "csv": [("price_file", False, True)],
        "simulated": [],
        "tiingo": [("tiingo_key", True, False)],
        "yahoo": [],
    }
    assert [(need.field, need.may_be_empty) for need in pick_source_needs("file")] == [("picks_file", True)]
    assert [(need.field, need.is_path) for need in pick_source_needs("momentum")] == [("universe", True)]
    assert [(need.field, need.is_secret, need.may_be_empty) for need in pick_source_needs("llm")] == [
        ("llm_model", False, False),
        ("llm_key", True, True),
        ("llm_url", False, True),
    ]
    assert pick_source_needs("manual") == ()


@pytest.mark.parametrize("need", [need for group in NEEDS for need in group], ids=lambda need: need.field)
def test_every_need_is_a_setting_that_there_is(need: Need) -> None:
    assert not need.label.startswith("Key for"), "a source of the house declares its own"
    if need.is_of_provider:
        assert PROVIDER_SETTING.fullmatch(f"ALPHA_MONDAY_{need.field.upper()}")
        assert not need.is_set(Settings())
        assert need.is_set(Settings.model_validate({"provider_settings": {need.field.upper(): "marker"}}))
    else:
        assert need.field in Settings.model_fields
        assert not need.is_set(Settings())
        assert need.is_set(Settings.model_validate({need.field: "marker"}))


def test_of_a_third_party_an_optional_key() -> None:
    (need,) = price_source_needs("my-feed")
    assert need == Need("my_feed_key", "Key for my-feed", "where it needs one", is_secret=True, if_empty="none")
    assert need.may_be_empty
    assert pick_source_needs("my-feed") == (need,)


def test_a_chain_is_asked_each_thing_once() -> None:
    asked = [need.field for need in all_needs(("tiingo", "csv", "my-feed", "yahoo"), "my-feed")]
    assert asked == ["tiingo_key", "price_file", "my_feed_key"]


@pytest.mark.parametrize("name", [*price_source_names(), *pick_source_names()])
def test_every_source_of_the_house_says_what_it_is(name: str) -> None:
    assert about_source(name) != about_source("my-feed")
    assert len(about_source(name)) <= 54, "it fits a line of a small terminal beside the longest name"


def test_what_is_offered_first_is_there() -> None:
    assert FIRST_PRICE_SOURCE in price_source_names()
    assert FIRST_PICK_SOURCE in pick_source_names()


@given(st.lists(st.text(st.characters(exclude_characters=",", exclude_categories=["Z", "C"]), min_size=1)))
def test_names_are_read_from_a_list_with_commas(names: list[str]) -> None:
    assert names_in(" , ".join(["", *names, " "])) == tuple(names)
