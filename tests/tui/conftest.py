"""Databases that hold the history, and settings for them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import Settings
from db.embedded import EmbeddedServer
from tests.databases import cloned, database_of
from tests.tui import history, troubles


@pytest.fixture(scope="session")
def price_file(reachable_directory: Path) -> Path:
    """The closes of the history."""
    path = reachable_directory / "prices.csv"
    history.write_prices(path)
    return path


@pytest.fixture(scope="session")
def filled_template(server: EmbeddedServer, template: str, price_file: Path) -> Iterator[str]:
    """A database that holds the history."""
    with cloned(server, template, "template_history") as conninfo:
        asyncio.run(history.fill(history.settings_for(conninfo, price_source="csv", price_file=str(price_file))))
        history.stand_still(conninfo)
        yield database_of(conninfo)


@pytest.fixture
def filled(server: EmbeddedServer, filled_template: str) -> Iterator[str]:
    """The conninfo of a copy of the history."""
    with cloned(server, filled_template) as conninfo:
        yield conninfo


@pytest.fixture
def settings(filled: str, price_file: Path) -> Settings:
    """Settings for the history, with its price source."""
    return history.settings_for(filled, price_source="csv", price_file=str(price_file))


@pytest.fixture(scope="session")
def troubled_template(server: EmbeddedServer, template: str, reachable_directory: Path) -> Iterator[str]:
    """A database that holds the history in which much went wrong."""
    with cloned(server, template, "template_troubles") as conninfo:
        asyncio.run(troubles.fill(troubles.troubled_settings(conninfo, reachable_directory)))
        history.stand_still(conninfo, troubles.NOW)
        yield database_of(conninfo)


@pytest.fixture
def troubled(server: EmbeddedServer, troubled_template: str, reachable_directory: Path) -> Iterator[Settings]:
    """Settings for a copy of that history."""
    with cloned(server, troubled_template) as conninfo:
        yield troubles.troubled_settings(conninfo, reachable_directory)
