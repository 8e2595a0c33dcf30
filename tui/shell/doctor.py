"""The command that looks at everything the product needs and says what is wrong and what to do."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from core.alerts.finding import alerts_finding
from core.diagnosis import account_finding, database_findings, disk_finding, files_finding, heartbeat_finding
from core.finding import Finding
from core.logs import redacted
from core.services import pick_source_called, price_chain
from core.settings import PREFIX, Settings
from core.settings_layers import LoadedSettings
from core.source_findings import price_source_findings, symbol_changes_finding
from core.trading_calendar import LAST_YEAR, TradingCalendar
from db.errors import AlphaMondayError
from tui.output import print_json, print_line

FAILED = 1


class Problem(AlphaMondayError):  # noqa: N818 - a finding that is told, not an error that is raised far
    """Something is wrong that raises nothing by itself."""


async def doctor(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Prints a line for each thing looked at; exit 1 on any problem."""
    settings, secrets = loaded.settings, loaded.settings.secrets()
    findings = [*await database_findings(settings), *await asyncio.to_thread(_disk, settings)]
    findings += await asyncio.to_thread(_account, settings)
    findings.append(await _look("calendar", _calendar, settings))
    findings += await price_source_findings(settings)
    findings.append(await symbol_changes_finding(settings))
    findings.append(await _look("pick source", _pick_source, settings))
    findings.append(await asyncio.to_thread(files_finding, settings))
    findings.append(await asyncio.to_thread(alerts_finding, settings))
    findings.append(heartbeat_finding(settings))
    findings = [
        replace(found, message=redacted(found.message, secrets), remedy=redacted(_remedy(found, loaded), secrets))
        for found in findings
    ]
    return print_findings(findings, is_json=args.json)


def print_findings(findings: Sequence[Finding], *, is_json: bool) -> int:
    """Prints a line for each of `findings`; gives the exit code, 1 on any problem."""
    if is_json:
        print_json(
            {
                "checks": [
                    {"name": found.name, "ok": found.ok, "message": found.message, "remedy": found.remedy}
                    for found in findings
                ]
            }
        )
    else:
        for found in findings:
            print_line(f"{'ok' if found.ok else 'PROBLEM':7}  {found.name}: {found.message}")
            if found.remedy:
                print_line(f"         {found.remedy}")
    return 0 if all(found.ok for found in findings) else FAILED


def _remedy(found: Finding, loaded: LoadedSettings) -> str:
    """What to do about a problem, and where the settings that it names are set."""
    places = "" if found.ok else loaded.places(found.message, found.remedy)
    return f"{found.remedy} {places}".strip()


async def _look(name: str, check: Callable[[Settings], Awaitable[str]], settings: Settings) -> Finding:
    try:
        return Finding(name, True, await check(settings))
    except AlphaMondayError as exc:
        return Finding(name, False, exc.message, exc.remedy)
    except Exception as exc:  # noqa: BLE001 - a third party's source may raise anything, and the other looks go on
        return Finding(
            name,
            False,
            f"something unforeseen happened: {type(exc).__name__}: {str(exc)[:200]}",
            "Report it to whoever makes the source.",
        )


def _disk(settings: Settings) -> list[Finding]:
    """The disk of the embedded database, once there is one."""
    if settings.database_url is not None or not settings.data_dir.exists():
        return []
    try:
        return [disk_finding(settings)]
    except OSError as exc:
        return [Finding("disk", False, f"it cannot be asked: {exc.strerror}", "Look at the disk and its mount.")]


def _account(settings: Settings) -> list[Finding]:
    """The account that root's embedded server runs as."""
    try:
        return [found] if (found := account_finding(settings)) is not None else []
    except AlphaMondayError as exc:
        return [Finding("account", False, exc.message, exc.remedy)]


async def _calendar(_: Settings) -> str:
    calendar = TradingCalendar()
    today = calendar.exchange_date(datetime.now(UTC))
    if today.year >= LAST_YEAR:
        raise Problem(f"the calendar ends with {LAST_YEAR}", "Upgrade alpha-monday.")
    following = calendar.next_session(today)
    half_day = ", a half day" if calendar.is_half_day(following) else ""
    return f"the next session after today is {following:%a %d %b %Y}{half_day}"


async def _pick_source(settings: Settings) -> str:
    if settings.pick_source is None:
        raise Problem("no pick source is set", f"Run alpha-monday setup, or set {PREFIX}PICK_SOURCE.")
    calendar = TradingCalendar()
    sources = await asyncio.to_thread(price_chain, settings, calendar)
    source = await asyncio.to_thread(pick_source_called, settings.pick_source, settings, calendar, sources)
    return f"{source.name} is ready"
