"""A small market on a database of its own, and services that work on it."""

from collections.abc import AsyncIterator

import pytest

from core.services import Services
from tests.core.world import World


@pytest.fixture
def world(conninfo: str) -> World:
    return World(conninfo)


@pytest.fixture
async def services(world: World) -> AsyncIterator[Services]:
    async with world.services() as services:
        yield services
