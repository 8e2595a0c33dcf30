"""The one place that wires: settings in, everything the faces of the product work with out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from core.clock import Clock, SystemClock
from core.mixing import SIMULATED, refuse_mixing
from core.picks.registry import make_pick_source, pick_source_names
from core.picks.source import PickOptions, PickSource
from core.picks.staged_file import picks_file_of, staged_file_weakness
from core.prices.day_cache import DayCache
from core.prices.fallback import FirstAnswer
from core.prices.registry import make_price_source, price_source_names
from core.prices.source import PriceOptions, PriceSource, is_taken_at_its_word
from core.rules import Rules
from core.settings import PREFIX, Settings, SettingsError
from core.symbol_changes import SymbolChangesFile
from core.trading_calendar import TradingCalendar, longest_settle_delay
from db import batches, migrate
from db.database import Database
from db.embedded import EmbeddedServer
from db.errors import SchemaError
from db.hosts import chosen_address
from db.libpq_environment import with_service
from db.transport import transport_problem
from db.waiting import shown_wait

DATABASE = "alpha_monday"
DEMO_DATABASE = "alpha_monday_demo"


class Access(StrEnum):
    """What a face of the product may do: writers bring the tables up to date first, the others never do."""

    WRITE = "write"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Services:
    """Everything wired. `sources` is the chain in the order asked; both kinds of source may be absent."""

    settings: Settings
    clock: Clock
    calendar: TradingCalendar
    rules: Rules
    database: Database
    sources: tuple[PriceSource, ...]
    pick_source: PickSource | None
    symbol_changes: SymbolChangesFile = field(default_factory=lambda: SymbolChangesFile(None))

    @property
    def transport_problem(self) -> str | None:
        """A sentence where what travels to and from the database may be unencrypted."""
        url = self.settings.database_url
        return None if url is None else transport_problem(url.get_secret_value())

    def require_sources(self) -> tuple[PriceSource, ...]:
        """The chain of price sources. Raises SettingsError when there is none."""
        if not self.sources:
            raise SettingsError(
                "No price source is set.",
                f"Run alpha-monday setup, or set {PREFIX}PRICE_SOURCE (see .env.example).",
            )
        return self.sources

    def require_pick_source(self) -> PickSource:
        """The pick source. Raises SettingsError when there is none."""
        if self.pick_source is None:
            raise SettingsError(
                "No pick source is set.",
                f"Run alpha-monday setup, or set {PREFIX}PICK_SOURCE (see .env.example).",
            )
        return self.pick_source


@asynccontextmanager
async def open_services(
    settings: Settings,
    access: Access,
    *,
    clock: Clock | None = None,
    with_sources: bool = True,
    database_name: str = DATABASE,
) -> AsyncIterator[Services]:
    """Opens the database and makes the sources; closes both at the end.

    Raises a DatabaseError when the database cannot be used, SchemaError when its tables do not fit, SettingsError
    or the registries' errors for a source that cannot be made.
    """
    clock = clock or SystemClock()
    calendar = TradingCalendar()
    # In a thread: a source's package may take long to import, and screens are to be drawn meanwhile.
    chain = await asyncio.to_thread(price_chain, settings, calendar) if with_sources else ()
    sources = tuple(source if is_taken_at_its_word(source) else DayCache(source, calendar, clock) for source in chain)
    pick_source = await asyncio.to_thread(_pick_source, settings, calendar, sources) if with_sources else None
    rules = rules_of(settings, sources)
    async with open_database(settings, access, name=database_name) as database:
        if sources and access is Access.WRITE:
            async with database.connection() as connection:
                refuse_mixing(await batches.any_source(connection), [source.name for source in sources])
        changes = SymbolChangesFile(settings.symbol_changes)
        yield Services(settings, clock, calendar, rules, database, sources, pick_source, changes)


@asynccontextmanager
async def open_database(settings: Settings, access: Access, *, name: str = DATABASE) -> AsyncIterator[Database]:
    """The database of `settings`, its tables brought up to date by writers and looked at by readers."""
    async with _address(settings, access, name) as (conninfo, server):
        if access is Access.WRITE:
            with shown_wait("a connection to the database"):
                await asyncio.to_thread(migrate.up, await chosen_address(conninfo))

        async def restart(own: EmbeddedServer) -> None:
            await asyncio.to_thread(own.restart)

        restarting = None if server is None else partial(restart, server)
        async with Database(conninfo, read_only=access is Access.READ, restart=restarting) as database:
            if access is Access.READ:
                async with database.connection() as connection:
                    migrate.raise_unless_current(await migrate.check(connection), may_be_behind=False)
            yield database


@asynccontextmanager
async def open_address(settings: Settings, access: Access, *, name: str = DATABASE) -> AsyncIterator[str]:
    """The database's address: DATABASE_URL, or `name` on the embedded server, which runs while this is open.

    Raises SchemaError for a reader where no embedded server was ever made, EmbeddedServerError if it does not start.
    """
    async with _address(settings, access, name) as (conninfo, _):
        yield conninfo


@asynccontextmanager
async def _address(settings: Settings, access: Access, name: str) -> AsyncIterator[tuple[str, EmbeddedServer | None]]:
    """What `open_address` gives, and the embedded server where it is used."""
    if settings.database_url is not None:
        yield with_service(settings.database_url.get_secret_value()), None
        return
    directory = settings.data_dir / "postgres"
    if access is Access.READ and not directory.exists():
        raise SchemaError(
            f"There is no database in {settings.data_dir} yet.",
            "Run alpha-monday db up to make one, or alpha-monday demo to look around.",
        )
    starting = asyncio.ensure_future(asyncio.to_thread(EmbeddedServer.start, directory))
    try:
        server = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # The thread goes on whatever becomes of its waiter; a server that it has joined must be left again.
        await asyncio.to_thread((await starting).close)
        raise
    try:
        yield server.conninfo(name), server
    finally:
        await asyncio.to_thread(server.close)


def rules_of(settings: Settings, sources: tuple[PriceSource, ...] = ()) -> Rules:
    """When things fall due: the settings' delay, or the longest that a source of the chain declares."""
    return Rules(
        open_at=settings.open_at,
        open_until=settings.open_until,
        settle_delay=max([settings.settle_delay, *(source.settle_delay for source in sources)]),
        give_up_after=settings.give_up_after,
        benchmark=settings.benchmark,
    )


def price_chain(settings: Settings, calendar: TradingCalendar) -> tuple[PriceSource, ...]:
    """The price sources of `settings`, in the order asked.

    Raises SettingsError for a provider's setting that belongs to no source, for simulated beside another, and for a
    source whose closes come too late to open a week.
    """
    check_providers(settings)
    names = settings.price_source
    if SIMULATED in names and len(names) > 1:
        raise SettingsError(
            "Simulated prices cannot stand in a chain with real ones.",
            f"Name one kind in {PREFIX}PRICE_SOURCE.",
        )
    chain = tuple(
        make_price_source(
            name,
            PriceOptions(
                calendar=calendar,
                benchmark=settings.benchmark,
                price_file=settings.price_file,
                key=settings.provider(name, "KEY"),
                url=settings.provider(name, "URL"),
                limit=settings.provider(name, "LIMIT"),
            ),
        )
        for name in names
    )
    longest = longest_settle_delay(settings.open_until)
    for source in chain:
        if source.settle_delay >= longest:
            raise SettingsError(
                f"The price source {source.name} needs {source.settle_delay.total_seconds() / 3600:g} h after a close, "
                f"so Friday's closes come too late for {PREFIX}OPEN_UNTIL on Monday.",
                f"Remove it from {PREFIX}PRICE_SOURCE, or set {PREFIX}OPEN_UNTIL later.",
            )
    return chain


def pick_source_called(
    name: str, settings: Settings, calendar: TradingCalendar, sources: tuple[PriceSource, ...]
) -> PickSource:
    """The pick source `name`; it sees prices through the chain, of which the first that answers is believed.

    Raises SettingsError where, as root, others could exchange the file that it takes staged picks from.
    """
    if found := staged_file_weakness(settings, name):
        raise SettingsError(f"The staged picks cannot be trusted: {found.message}.", found.remedy)
    return make_pick_source(
        name,
        PickOptions(
            calendar=calendar,
            prices=FirstAnswer(sources, settings.benchmark) if sources else None,
            benchmark=settings.benchmark,
            picks_file=picks_file_of(settings, name),
            universe=settings.universe,
            llm_model=settings.llm_model,
            llm_prompt=settings.llm_prompt,
            key=settings.provider(name, "KEY"),
            url=settings.provider(name, "URL"),
        ),
    )


def _pick_source(settings: Settings, calendar: TradingCalendar, sources: tuple[PriceSource, ...]) -> PickSource | None:
    if settings.pick_source is None:
        return None
    return pick_source_called(settings.pick_source, settings, calendar, sources)


def check_providers(settings: Settings) -> None:
    """Raises SettingsError for a provider's setting that belongs to no source."""
    given = {name.rpartition("_")[0] for name in settings.provider_settings}
    if not given:
        return
    known = {name.upper().replace("-", "_") for name in (*price_source_names(), *pick_source_names())}
    if unknown := sorted(given - known):
        raise SettingsError(
            f"{PREFIX}{unknown[0]}_KEY, _URL or _LIMIT names no source that is installed.",
            "Correct the name, or install the source.",
        )
