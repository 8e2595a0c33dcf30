"""The command that tries the channels for alerts: one message to each, and what became of it."""

import argparse
import asyncio

from core.alerts.channel import Channel, open_channels
from core.alerts.message import make_message
from core.leading import process_name
from core.settings import PREFIX, SettingsError
from core.settings_layers import LoadedSettings
from tui.output import print_json, print_line

FAILED = 1


async def notify(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Sends a test message to every channel; exit 1 unless every address was understood and took it."""
    urls = loaded.settings.notify_urls
    if urls is None:
        raise SettingsError(
            "No channel for alerts is set.",
            f"Set {PREFIX}NOTIFY_URLS to addresses in Apprise's form, separated by blanks (see docs/alerts.md).",
        )
    channels, problems = await asyncio.to_thread(open_channels, urls.get_secret_value())
    told = await asyncio.gather(*map(_try, channels))
    if args.json:
        print_json(
            {
                "channels": [
                    {"name": channel.name, "ok": problem is None, "problem": problem}
                    for channel, problem in zip(channels, told, strict=True)
                ],
                "problems": [problem.message for problem in problems],
            }
        )
    else:
        for channel, problem in zip(channels, told, strict=True):
            print_line(f"{channel.name}: {'taken; look whether it has arrived' if problem is None else problem}")
        for unusable in problems:
            print_line(unusable.in_one_line, error=True)
        if not (channels or problems):
            print_line(f"{PREFIX}NOTIFY_URLS holds no address.", error=True)
    return 0 if channels and not problems and all(problem is None for problem in told) else FAILED


async def _try(channel: Channel) -> str | None:
    """What went wrong, in words without the address."""
    lines = [f"This is a test from {process_name()}.", "Alerts of what the schedulers do arrive here."]
    await channel.send(make_message("a test of this channel", lines))
    return channel.problem
