"""What is secret in an address, and that no form of it passes."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import date, timedelta
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.discreet import DiscreetPicks, DiscreetPrices
from core.logs import MASK, redacted
from core.picks.source import PickDraft, PickOptions, PicksUnavailableError
from core.prices.registry import make_price_source
from core.prices.source import PriceOptions, PriceSource, UnavailableError
from core.secrets import secrets_of_address
from core.settings import Settings
from core.trading_calendar import TradingCalendar
from db.secret_forms import in_every_form
from tests.fakes import ScriptedPrices

secret = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*"), min_size=8, max_size=30)
OPTIONS = PriceOptions(
    calendar=TradingCalendar(), benchmark="SPY", key="key-4711", url="https://u:pass-0815@h/?k=token-42"
)


@given(secret)
def test_every_form_of_a_secret_is_masked(hidden: str) -> None:
    for written in (hidden, quote(hidden, safe=""), quote(hidden), quote_plus(hidden), repr(hidden)[1:-1]):
        assert redacted(f"<{written}>", in_every_form([hidden])) == f"<{MASK}>"
    assert json.loads(redacted(json.dumps([hidden]), in_every_form([hidden]))) == [MASK]


@given(secret)
def test_hexadecimal_digits_may_be_small(hidden: str) -> None:
    small = re.compile("%[0-9A-F]{2}")
    for written in (quote(hidden, safe=""), quote(hidden), quote(hidden, safe="!$&'()*+,;="), quote_plus(hidden)):
        written = small.sub(lambda found: found[0].lower(), written)
        assert redacted(f"<{written}>", in_every_form([hidden])) == f"<{MASK}>"


@given(secret, st.binary(max_size=7), st.binary(max_size=7), st.sampled_from([b64encode, urlsafe_b64encode]))
def test_a_secret_in_base64_is_masked_wherever_it_begins(
    hidden: str, before: bytes, after: bytes, encode: Callable[[bytes], bytes]
) -> None:
    """What is left are the neighbours, and the bits of four characters that the secret shares with them."""
    told = redacted(encode(before + hidden.encode() + after).decode(), in_every_form([hidden]))
    assert MASK in told
    assert len(told.replace(MASK, "")) <= len(b64encode(before)) + len(b64encode(after)) + 4


@given(secret, secret)
def test_basic_authentication_is_masked_whole(user: str, password: str) -> None:
    url = f"https://{quote(user, safe='')}:{quote(password, safe='')}@prices.test/v1"
    header = f"Authorization: Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
    assert redacted(header, in_every_form(secrets_of_address(url))) == f"Authorization: Basic {MASK}"


def test_addresses_of_alerts_are_secret_as_they_are_meant_too() -> None:
    settings = Settings.model_validate({"notify_urls": "json://bot:pa%2Fss@hooks.test/T0ken%2Fof-8"})
    header = b64encode(b"bot:pa/ss").decode()
    told = redacted(f"{header} T0ken/of-8 T0ken%2fof-8 bot:pa/ss pa/ss", settings.secrets())
    assert told == " ".join([MASK] * 5)


@given(secret, st.integers(4, 29))
def test_what_is_left_of_a_secret_at_the_end_of_a_text_that_was_cut_is_masked(hidden: str, kept: int) -> None:
    text = f"it said: <{hidden}"[: len("it said: <") + min(kept, len(hidden))]
    assert redacted(text, [hidden]) == f"it said: <{MASK}"


@given(st.text(alphabet="ab", max_size=12), st.text(alphabet="ab", min_size=4, max_size=6))
def test_no_secret_is_left_whole_or_begun_at_the_end(text: str, hidden: str) -> None:
    told = redacted(text, [hidden])
    assert hidden not in told
    assert not any(told.endswith(hidden[:length]) for length in range(4, len(hidden) + 1))


@given(secret, secret, secret)
def test_every_secret_part_of_an_address_is_found(user: str, password: str, token: str) -> None:
    url = f"https://{quote(user, safe='')}:{quote(password, safe='')}@prices.test/v1?token={quote(token, safe='')}&v=1"
    hidden = secrets_of_address(url)
    for part in (quote(password, safe=""), password, token, f"token={quote(token, safe='')}&v=1"):
        assert part in hidden
    told = redacted(f"{url} {unquote(url)}", hidden)
    assert password not in told
    assert token not in told
    assert "prices.test/v1" in told


def test_an_address_without_secrets_has_none() -> None:
    assert secrets_of_address("https://prices.test/v1") == set()
    assert "json" not in secrets_of_address("https://prices.test/v1?format=json&token=0123456789")


async def test_a_third_party_s_price_source_repeats_nothing_of_what_it_was_told() -> None:
    source = ScriptedPrices({}, failure=UnavailableError("GET ?key=key-4711 by pass-0815", "Look at ?k=token-42."))
    discreet = DiscreetPrices(source, OPTIONS)
    with pytest.raises(UnavailableError) as caught:
        await discreet.closes(["SPY"], date(2020, 1, 2), date(2020, 1, 3))
    assert (caught.value.message, str(caught.value)) == ("GET ?key=*** by ***", "GET ?key=*** by ***")
    assert caught.value.remedy == "Look at ?***."
    source.failure = None
    assert (await discreet.closes(["SPY"], date(2020, 1, 2), date(2020, 1, 3))).unknown == {"SPY"}
    assert (discreet.name, discreet.basis, discreet.settle_delay) == ("scripted", source.basis, timedelta(0))
    assert discreet.questions == source.questions
    assert not hasattr(discreet, "quota_left")


def test_a_third_party_s_source_that_cannot_be_made_repeats_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        name, value, dist = "leaky", "leaky:Leaky", None

        def load(self) -> Callable[[PriceOptions], PriceSource]:
            def factory(options: PriceOptions) -> PriceSource:
                raise UnavailableError(f"{options.key} is no key", f"Look at {options.url}.")

            return factory

    monkeypatch.setattr("core.plugins.Registry._offered", lambda _: [Entry()])
    with pytest.raises(UnavailableError, match=r"^\*\*\* is no key$") as caught:
        make_price_source("leaky", OPTIONS)
    assert caught.value.remedy == "Look at https://***@h/?***."


async def test_a_third_party_s_pick_source_repeats_nothing_of_what_it_was_told() -> None:
    class Leaky:
        name = "leaky"

        async def picks(self, run_date: date) -> list[PickDraft]:
            raise PicksUnavailableError(f"{run_date}: key-4711", "Look at key-4711.")

    discreet = DiscreetPicks(
        Leaky(), PickOptions(calendar=OPTIONS.calendar, prices=None, benchmark="SPY", key="key-4711")
    )
    assert discreet.name == "leaky"
    with pytest.raises(PicksUnavailableError, match=r"2020-01-06: \*\*\*") as caught:
        await discreet.picks(date(2020, 1, 6))
    assert caught.value.remedy == "Look at ***."


def test_a_secret_in_the_representation_of_a_text_with_both_quotes() -> None:
    hidden = "a 'key' file"
    for shown in (repr(f'{hidden} "x"'), repr(f'{hidden} "x"'.encode()), ascii(f'ü {hidden} "x"')):
        assert "key" not in redacted(shown, in_every_form([hidden]))
