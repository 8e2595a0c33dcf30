"""What set-up asks for each source, and tells of it in a line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.picks.staged_file import FILE_PICKS, MANUAL_PICKS
from core.settings import Settings

DEFAULT_PICKS_FILE = "picks.csv"
# Who sets up for the first time is offered these: one takes a key that is free, the other needs nothing.
FIRST_PRICE_SOURCE = "tiingo"
FIRST_PICK_SOURCE = MANUAL_PICKS


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a source has to be told: a field of the settings, or of a provider's (`tiingo_key`, `llm_url`).

    `if_empty` says what an empty answer means, where one may be given.
    """

    field: str
    label: str
    hint: str
    is_secret: bool = False
    is_path: bool = False
    if_empty: str = ""

    @property
    def may_be_empty(self) -> bool:
        """Whether the source can do without."""
        return bool(self.if_empty)

    @property
    def is_of_provider(self) -> bool:
        """Whether it is a provider's own setting: what is in force of it may hold a secret, and is not shown."""
        return self.field not in Settings.model_fields

    @property
    def is_address(self) -> bool:
        """Whether it is where a provider is found: https, or http on loopback."""
        return self.is_of_provider and self.field.endswith("_url")

    def is_set(self, settings: Settings) -> bool:
        """Whether `settings` hold an answer already."""
        if self.is_of_provider:
            return self.field.upper() in settings.provider_settings
        return getattr(settings, self.field) is not None


def _key(provider: str, label: str, hint: str, *, if_empty: str = "") -> Need:
    return Need(f"{provider}_key", label, hint, is_secret=True, if_empty=if_empty)


# What the house's own sources need besides their name.
_PRICE_NEEDS: Mapping[str, tuple[Need, ...]] = {
    "alpaca": (_key("alpaca", "Alpaca key", "KEY_ID:SECRET, both of your account at alpaca.markets"),),
    "alpha_vantage": (_key("alpha_vantage", "Vantage key", "the API key of your account at alphavantage.co"),),
    "csv": (Need("price_file", "Price file", "CSV of date,symbol,close[,split_factor]", is_path=True),),
    "simulated": (),
    "tiingo": (_key("tiingo", "Tiingo key", "the API token of your account at tiingo.com"),),
    "yahoo": (),
}
_PICK_NEEDS: Mapping[str, tuple[Need, ...]] = {
    FILE_PICKS: (
        Need(
            "picks_file",
            "Picks file",
            "CSV of run_date,ticker,action,reasoning",
            is_path=True,
            if_empty=f"{DEFAULT_PICKS_FILE} in the data directory",
        ),
    ),
    "llm": (
        Need("llm_model", "Model", "its name, as the server calls it"),
        _key("llm", "Model's key", "the server's API key", if_empty="none, as of a server on this machine"),
        Need("llm_url", "Address", "of a server that speaks OpenAI's protocol", if_empty="OpenAI's own"),
    ),
    MANUAL_PICKS: (),
    "momentum": (Need("universe", "Universe", "CSV of ticker[,from,to]", is_path=True),),
}

# One line on each of the house's own sources, for who has to choose.
_ABOUT: Mapping[str, str] = {
    "alpaca": "closes of US stocks from alpaca.markets; a free key",
    "alpha_vantage": "closes from alphavantage.co; a free key, 25 asks a day",
    "csv": "closes from a file that you keep",
    "simulated": "invented closes, to look around; needs nothing",
    "tiingo": "closes of US stocks from tiingo.com; needs a free key",
    "yahoo": "closes from Yahoo, unofficially; no key, but an extra",
    FILE_PICKS: "picks from a file that you, or a program, write",
    "llm": "picks of a language model; needs an extra",
    MANUAL_PICKS: "picks that you write here, every week",
    "momentum": "ranked by momentum among the tickers of a file",
}


def about_source(name: str) -> str:
    """What the source `name` is and needs, in one line."""
    return _ABOUT.get(name, "from an installed package; may need a key")


def price_source_needs(name: str) -> tuple[Need, ...]:
    """What to ask for the price source `name`."""
    return _PRICE_NEEDS[name] if name in _PRICE_NEEDS else (_key_of(name),)


def pick_source_needs(name: str) -> tuple[Need, ...]:
    """What to ask for the pick source `name`."""
    return _PICK_NEEDS[name] if name in _PICK_NEEDS else (_key_of(name),)


def all_needs(price_sources: Iterable[str], pick_source: str) -> tuple[Need, ...]:
    """What to ask for a chain of price sources and a pick source, each thing once."""
    needs = [need for name in price_sources for need in price_source_needs(name)]
    needs += pick_source_needs(pick_source)
    return tuple({need.field: need for need in needs}.values())


def _key_of(name: str) -> Need:
    """A third party's source says nowhere whether it needs a key."""
    provider = name.replace("-", "_").lower()
    return _key(provider, f"Key for {name}", "where it needs one", if_empty="none")


def names_in(text: str) -> tuple[str, ...]:
    """The names in a list with commas, blanks around them and empty ones left out."""
    return tuple(name for name in map(str.strip, text.split(",")) if name)
