"""The command that tries the channels for alerts."""

import argparse
import json

import pytest
from pydantic import SecretStr

from core.settings import Settings, SettingsError
from core.settings_layers import LoadedSettings
from tests.core.alerts.receiving import HIDDEN, refuse, service
from tests.tui.shell.conftest import CommandLine, Market
from tui.shell.alerts import notify


def loaded(*urls: str) -> LoadedSettings:
    addresses = SecretStr(" ".join(urls)) if urls else None
    return LoadedSettings(Settings.model_construct(notify_urls=addresses, provider_settings={}), {})


async def test_each_channel_is_sent_a_message_and_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    with service() as taker, service() as dead:
        dead.answers(refuse)
        code = await notify(argparse.Namespace(json=False), loaded(taker.url, dead.url, f"nonsense://{HIDDEN}"))
        assert [each.title for each in taker.received] == ["Alpha Monday: a test of this channel"]
    shown = capsys.readouterr()
    assert code == 1
    assert shown.out == "json 1: taken; look whether it has arrived\njson 2: HTTP 503\n"
    assert shown.err.startswith("Address 3 of ALPHA_MONDAY_NOTIFY_URLS is none that Apprise understands.")
    assert HIDDEN not in shown.out + shown.err


async def test_as_json_and_without_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with service() as taker:
        assert await notify(argparse.Namespace(json=True), loaded(taker.url)) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"channels": [{"name": "json 1", "ok": True, "problem": None}], "problems": []}


async def test_without_an_address_there_is_nothing_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingsError, match="No channel for alerts is set"):
        await notify(argparse.Namespace(json=False), loaded())
    assert await notify(argparse.Namespace(json=False), loaded(" ")) == 1
    assert "holds no address" in capsys.readouterr().err


def test_a_timer_tells_what_a_backfill_wrote_and_shows_no_address(
    market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service() as taker:
        monkeypatch.setenv("ALPHA_MONDAY_NOTIFY_URLS", f"{taker.url}\nnonsense://{HIDDEN}")
        first = alpha_monday("--headless", "--once")
        assert alpha_monday("backfill", "--picks", str(market.picks)).code in (0, 3)
        second = alpha_monday("--headless", "--once")
    [replay] = [each for each in taker.received if "summed up" in each.title]
    assert "  3 weeks opened" in replay.body
    sent = [line for line in second.log if line["event"] == "alert_sent"]
    assert [(line["channel"], line["title"]) for line in sent] == [("json 1", each.title) for each in taker.received]
    assert "alerts_unusable" in {line["event"] for line in first.log}
    assert HIDDEN not in first.err + second.err
    assert HIDDEN not in alpha_monday("config").out
