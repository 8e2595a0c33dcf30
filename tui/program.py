"""The terminal application as a program: keys and log in, exit code out, and an end that nothing can hold up."""

import asyncio
import os
import threading
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from core.settings import user_keys_file
from tui import chosen_theme
from tui.app import AlphaMondayApp
from tui.command_list import COMMANDS
from tui.commands import name_keys_in_ascii
from tui.driver import TerminalDriver, takes_ascii_only
from tui.keymap import read_keymap
from tui.mode import Mode
from tui.session import Opener, Prepare
from tui.terminal import leave_on_signals

if TYPE_CHECKING:
    from core.settings import Settings
    from core.settings_layers import Layers

# A source that blocks in a thread would hold the interpreter up for as long as it blocks, and so would a terminal that
# takes nothing more.
_ENDS_WITHIN_S = 1.5


def run(
    settings: "Settings",
    mode: Mode,
    *,
    opener: Opener | None = None,
    prepare: Prepare | None = None,
    log_file: Path | None = None,
    layers: "Layers | None" = None,
) -> int:
    """Opens the terminal application and returns the exit code once it has ended.

    `opener` gives other services than the settings' own. `prepare` is awaited with the services, after they are
    opened and before the scheduler starts. `layers` are what the settings were loaded from. Raises KeysError for a
    file of keys with an error in it.
    """
    keymap = read_keymap(user_keys_file(), COMMANDS)
    app = AlphaMondayApp(
        settings,
        mode,
        opener=opener,
        prepare=prepare,
        keymap=keymap,
        log_file=log_file,
        layers=layers,
        theme=chosen_theme.read(),
    )

    app.driver_class = TerminalDriver
    if takes_ascii_only():
        name_keys_in_ascii()
    app.on_ended = lambda: _end_soon(app.return_code or 0)

    async def run_until_told() -> None:
        leave_on_signals(app.action_quit, app.given_back, app.on_ended)
        await cast("Awaitable[None]", app.run_async())

    asyncio.run(run_until_told())
    return app.return_code or 0


def _end_soon(exit_code: int) -> None:
    ending = threading.Timer(_ENDS_WITHIN_S, os._exit, [exit_code])
    ending.daemon = True
    ending.start()
