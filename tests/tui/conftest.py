"""Databases that hold the history, and settings for them."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from core.settings import Settings
from db.embedded import EmbeddedServer
from tests.tui import history


@pytest.fixture(scope="session")
def price_file(reachable_directory: Path) -> Path:
    """The closes of the history."""
    path = reachable_directory / "prices.csv"
    history.write_prices(path)
    return path


@pytest.fixture(scope="session")
def filled_template(server: EmbeddedServer, template: str, price_file: Path) -> str:
    """A database that holds the history."""
    name = "template_history"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        )

    asyncio.run(
        history.fill(history.settings_for(server.conninfo(name), price_source="csv", price_file=str(price_file)))
    )
    history.stand_still(server.conninfo(name))
    return name


@pytest.fixture
def filled(server: EmbeddedServer, filled_template: str) -> Iterator[str]:
    """The conninfo of a copy of the history."""
    name = f"test_{os.urandom(6).hex()}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(filled_template))
        )
        yield server.conninfo(name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def settings(filled: str, price_file: Path) -> Settings:
    """Settings for the history, with its price source."""
    return history.settings_for(filled, price_source="csv", price_file=str(price_file))
