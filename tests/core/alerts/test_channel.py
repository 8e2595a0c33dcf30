"""A channel: what it sends, what it says when it cannot, and what it never says."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

import core.alerts.channel
from core.alerts.channel import Channel, Channels, open_channels
from core.alerts.finding import alerts_finding
from core.alerts.message import Message, Severity, make_message
from core.logs import JsonFormatter
from core.settings import Settings
from tests.core.alerts.receiving import HIDDEN, WITHIN_S, Received, Service, refuse, service
from tests.loopback import reply, serving

MESSAGE = Message("Alpha Monday: a title", "a body\nof <two> lines", Severity.WARNING)


@pytest.fixture
def taker() -> Iterator[Service]:
    with service() as found:
        yield found


@pytest.fixture(autouse=True)
def noticed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """The events that were logged with what they say; nothing that was logged holds the address."""
    for record in caplog.records:
        line = JsonFormatter().format(record)
        assert HIDDEN not in line
        assert "json://" not in line
    own = [vars(record) for record in caplog.records if record.name.startswith("core.")]
    return [(each["event"], each.get("problem", "")) for each in own]


def only(url: str) -> Channel:
    [channel], problems = open_channels(url)
    assert problems == ()
    return channel


async def test_it_sends_plain_text_as_it_is(taker: Service, caplog: pytest.LogCaptureFixture) -> None:
    assert await only(taker.url).send(MESSAGE)
    assert taker.received == [Received(MESSAGE.title, MESSAGE.body, "warning")]
    [request] = taker.provider.requests
    assert request.headers["user-agent"] == "alpha-monday"
    assert told(caplog) == []


async def test_a_redirect_is_followed_where_the_address_says_so(taker: Service) -> None:
    with service() as elsewhere:
        taker.answers(lambda _: reply(307, headers={"Location": elsewhere.provider.url}))
        assert await only(f"{taker.url}?redirect=yes").send(MESSAGE)
        assert elsewhere.received == [Received(MESSAGE.title, MESSAGE.body, "warning")]


async def test_nothing_is_sent_that_the_address_does_not_hold(
    taker: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file of passwords for other programs does, with one for any host."""
    (tmp_path / ".netrc").write_text("default login me password net-word\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert await only(taker.url).send(MESSAGE)
    assert "authorization" not in taker.provider.requests[0].headers


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (reply(404, b"no such hook"), "HTTP 404"),
        (reply(500, HIDDEN.encode()), "HTTP 500"),
        (reply(302, headers={"Location": "@elsewhere"}), "HTTP 302"),
        (b"\x00 garbage\r\n\r\n", "it cannot be connected to, or does not answer"),
        (b"", "it cannot be connected to, or does not answer"),
    ],
    ids=["not found", "error", "redirect", "garbage", "nothing"],
)
async def test_a_failure_is_logged_once_without_the_address_and_so_is_its_end(
    taker: Service, caplog: pytest.LogCaptureFixture, answer: bytes, problem: str
) -> None:
    channel = only(taker.url)
    with service() as elsewhere:
        taker.answers(lambda _: answer.replace(b"@elsewhere", elsewhere.provider.url.encode()))
        for _ in range(3):
            assert not await channel.send(MESSAGE)
        assert channel.problem == problem
        assert elsewhere.received == [], "where a redirect leads was not set by the operator"
    taker.answers(lambda _: reply())
    assert await channel.send(MESSAGE)
    assert told(caplog) == [("alerts_failed", problem), ("alerts_work", "")]
    assert HIDDEN not in repr(channel)


async def test_each_failure_makes_a_longer_rest_and_a_success_ends_it(taker: Service) -> None:
    channel = only(taker.url)
    taker.answers(refuse)
    rests = []
    assert channel.rest == timedelta(0)
    for _ in range(9):
        await channel.send(MESSAGE)
        rests.append(channel.rest)
    assert timedelta(seconds=14) < rests[0] <= timedelta(seconds=30)
    assert timedelta(minutes=29) < rests[-1] <= timedelta(hours=1)
    taker.answers(lambda _: reply())
    await channel.send(MESSAGE)
    assert channel.rest == timedelta(0)


async def test_one_that_hangs_is_given_up_and_piles_up_no_threads(
    taker: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.alerts.channel, "WITHIN", timedelta(seconds=0.2))
    taker.answers(lambda _: None)
    channel = only(taker.url)
    began = asyncio.get_running_loop().time()
    assert not await channel.send(MESSAGE)
    assert channel.problem == "it did not come back within 0.2 s"
    assert not await channel.send(MESSAGE)
    assert asyncio.get_running_loop().time() - began < 2
    assert channel.problem == "an earlier call that was given up has not come back yet"
    assert len(taker.provider.requests) <= 1


async def test_a_plugin_that_raises_is_told_by_the_type_alone(
    taker: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> bool:
        raise RuntimeError(HIDDEN)

    channel = only(taker.url)
    monkeypatch.setattr(channel._plugin, "notify", broken)
    assert not await channel.send(MESSAGE)
    assert told(caplog) == [("alerts_failed", "something unforeseen happened: RuntimeError")]


async def test_nobody_there_is_told_without_the_address(caplog: pytest.LogCaptureFixture) -> None:
    assert not await only(f"json://127.0.0.1:1/{HIDDEN}").send(MESSAGE)
    assert told(caplog) == [("alerts_failed", "it cannot be connected to, or does not answer")]


async def test_a_long_body_is_cut_to_what_the_service_takes(taker: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = only(taker.url)
    monkeypatch.setattr(channel._plugin, "body_maxlen", 100)
    await channel.send(make_message("long", ["x" * 1_000]))
    [received] = taker.received
    assert 0 < len(received.body) <= 100


def test_channels_are_named_by_their_service_and_number() -> None:
    channels, problems = open_channels(
        "json://127.0.0.1:1/a slack://aaaaaaaaa/bbbbbbbbb/cccccccccccc\njson://127.0.0.1:2/b"
    )
    assert problems == ()
    assert [channel.name for channel in channels] == ["json 1", "slack 1", "json 2"]


def test_an_address_that_is_not_understood_is_told_by_its_place(caplog: pytest.LogCaptureFixture) -> None:
    channels, problems = open_channels(f"json://127.0.0.1:1/a nonsense://{HIDDEN} {HIDDEN}")
    assert len(channels) == 1
    assert [problem.message.split(" of ")[0] for problem in problems] == ["Address 2", "Address 3"]
    assert not any(HIDDEN in str(problem) + problem.remedy for problem in problems)
    assert told(caplog) == []


async def test_what_cannot_be_used_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    channels = Channels(settings_with(f"nonsense://{HIDDEN}"))
    assert await channels.ready() == await channels.ready() == ()
    assert [event for event, _ in told(caplog)] == ["alerts_unusable"]


async def test_without_the_extra_that_is_said_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert await Channels(settings_with(f"json://127.0.0.1/{HIDDEN}")).ready() == ()
    [record] = [vars(record) for record in caplog.records if record.name == "core.alerts.channel"]
    remedy = "Run in a clone: pip install --require-hashes -r locks/notify.lock"
    assert (record["event"], record["remedy"]) == ("alerts_unusable", remedy)
    finding = alerts_finding(settings_with(f"json://127.0.0.1/{HIDDEN}"))
    assert (finding.ok, finding.remedy) == (False, remedy)


def settings_with(urls: str) -> Settings:
    return Settings.model_construct(notify_urls=SecretStr(urls), provider_settings={})


def test_the_doctor_finds_what_cannot_be_used_and_sends_nothing(taker: Service) -> None:
    assert alerts_finding(Settings.model_construct(provider_settings={})).ok
    assert not alerts_finding(settings_with(" \n ")).ok
    found = alerts_finding(settings_with(taker.url))
    assert found.ok
    assert found.message.startswith("json 1: opened, ")
    found = alerts_finding(settings_with(f"{taker.url} nonsense://{HIDDEN}"))
    assert not found.ok
    assert HIDDEN not in found.message + found.remedy
    assert taker.received == []


def test_apprise_is_imported_only_where_an_address_is_set() -> None:
    code = (
        "import sys, asyncio, core.scheduler\n"
        "from core.alerts.channel import Channels\nfrom core.settings import Settings\n"
        "asyncio.run(Channels(Settings.model_construct(provider_settings={})).ready())\n"
        "print([name for name in ('apprise', 'requests', 'urllib3') if name in sys.modules])"
    )
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=root).stdout == b"[]\n"


async def test_a_process_ends_while_a_call_hangs() -> None:
    """The thread is nobody's to wait for, not even the interpreter's."""
    with serving(lambda _: None) as silent:
        code = (
            "import asyncio, sys\nfrom datetime import timedelta\nimport core.alerts.channel as channel\n"
            "from core.alerts.message import make_message\n"
            "channel.WITHIN = timedelta(seconds=0.1)\n"
            "[found], _ = channel.open_channels(sys.argv[1] + '?rto=60&cto=60')\n"
            "print(asyncio.run(found.send(make_message('x', []))))"
        )
        url = silent.url.replace("http://", "json://")
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, url, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
        )
        output, _ = await asyncio.wait_for(running.communicate(), WITHIN_S)
    assert output == b"False\n"
