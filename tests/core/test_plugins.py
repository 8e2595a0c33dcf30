from pathlib import Path

import pytest

from core.plugins import BrokenSourceError, MissingSettingError, Registry, UnknownSourceError, needed
from db.errors import AlphaMondayError

GROUP = "alpha_monday.tests"
registry: Registry[str, object] = Registry(
    kind="test source",
    setting="ALPHA_MONDAY_TEST_SOURCE",
    group=GROUP,
    built_in={"fraction": "fractions:Fraction.from_decimal", "words": "builtins:str.split"},
)


class Package:
    """An installed package that offers entry points, made of files as an installer would leave them."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.name = name

    def offers(self, source: str, address: str) -> None:
        metadata = self.directory / f"{self.name}-1.0.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {self.name}\nVersion: 1.0\n")
        with (metadata / "entry_points.txt").open("a") as file:
            file.write(f"[{GROUP}]\n{source} = {address}\n")

    def holds(self, module: str, text: str) -> None:
        (self.directory / f"{module}.py").write_text(text)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.syspath_prepend(tmp_path)
    return Package(tmp_path, "market-feed")


def test_a_built_in_source_is_made_by_its_factory() -> None:
    assert registry.make("words", "a b") == ["a", "b"]


def test_a_source_of_an_installed_package_is_made_and_listed(package: Package) -> None:
    package.holds("alpha_monday_feed", "def make(options):\n    return ('feed', options)\n")
    package.offers("feed", "alpha_monday_feed:make")
    assert registry.names() == ["fraction", "words", "feed"]
    assert registry.make("feed", "options") == ("feed", "options")


def test_a_built_in_name_wins_and_is_listed_once(package: Package) -> None:
    package.offers("words", "alpha_monday_absent:make")
    assert registry.names() == ["fraction", "words"]
    assert registry.make("words", "a b") == ["a", "b"]


def test_an_unknown_name_is_refused_with_the_known_ones(package: Package) -> None:
    package.offers("feed", "alpha_monday_feed:make")
    with pytest.raises(UnknownSourceError) as caught:
        registry.make("x" * 1_000, "")
    assert caught.value.code == "unknown_source"
    assert caught.value.message == f"no test source is called '{'x' * 40}'"
    assert caught.value.remedy == "Set ALPHA_MONDAY_TEST_SOURCE to one of: fraction, words, feed."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import alpha_monday_absent", "ModuleNotFoundError: No module named 'alpha_monday_absent'"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("def make(", "SyntaxError"),
        ("", "AttributeError"),
    ],
)
def test_a_package_that_cannot_be_imported_is_named(package: Package, text: str, found: str) -> None:
    module = f"alpha_monday_{package.directory.name}"
    package.holds(module, text)
    package.offers("feed", f"{module}:make")
    with pytest.raises(BrokenSourceError) as caught:
        registry.make("feed", "")
    assert caught.value.message.startswith(f"test source 'feed' cannot be loaded: {found}")
    assert "market-feed" in caught.value.remedy
    assert caught.value.__cause__ is not None


def test_a_factory_that_fails_is_named_without_its_text_which_may_hold_a_key(package: Package) -> None:
    package.holds("alpha_monday_leaky", "def make(options):\n    raise ValueError(options)\n")
    package.offers("feed", "alpha_monday_leaky:make")
    with pytest.raises(BrokenSourceError) as caught:
        registry.make("feed", "s3cret")
    assert caught.value.message == "test source 'feed' cannot be made: ValueError"
    assert "s3cret" not in caught.value.remedy


def test_what_a_factory_says_to_the_operator_passes_through(package: Package) -> None:
    package.holds(
        "alpha_monday_strict",
        "from core.plugins import needed\ndef make(options):\n    needed(None, 'feed', 'FEED_KEY')\n",
    )
    package.offers("feed", "alpha_monday_strict:make")
    with pytest.raises(MissingSettingError):
        registry.make("feed", "")


def test_two_packages_that_offer_one_name_are_refused(package: Package) -> None:
    package.offers("feed", "alpha_monday_feed:make")
    Package(package.directory, "other-feed").offers("feed", "alpha_monday_other:make")
    with pytest.raises(BrokenSourceError) as caught:
        registry.make("feed", "")
    assert "market-feed" in caught.value.message
    assert "other-feed" in caught.value.message
    assert registry.names() == ["fraction", "words", "feed"]


def test_a_missing_setting_is_named_in_the_remedy() -> None:
    with pytest.raises(AlphaMondayError) as caught:
        needed(None, "price source 'csv'", "ALPHA_MONDAY_PRICE_FILE")
    assert isinstance(caught.value, MissingSettingError)
    assert caught.value.code == "missing_setting"
    assert caught.value.remedy == "Set ALPHA_MONDAY_PRICE_FILE."
    assert needed(0, "", "") == 0
