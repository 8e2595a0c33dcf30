"""An alert holds no link, no host that a client would make one of, no mention and no markup, whatever stands in it."""

import re
import unicodedata
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

import core.alerts.lead
import core.alerts.ticks
from core.alerts.channel import Channels, open_channels
from core.alerts.lead import LeadAlert
from core.alerts.message import Message, make_message
from core.alerts.news import News
from core.alerts.standing import doubts_told, reminder_told, source_told
from core.alerts.telling import BatchResult, Figures, PickResult, tell
from core.alerts.ticks import TickAlert
from core.alerts.told import Told
from core.alerts.words import harmless, plain
from core.moves import Move
from core.opening_tries import OpeningTry
from core.rules import Delay
from core.settings import ALERTS, Settings
from core.source_health import SourceHealth, SourceKind
from db.errors import AlphaMondayError
from db.events import PAYLOAD_KEYS, EventType
from db.records import LoggedEvent
from tests.core.alerts.receiving import service
from tests.fakes import FixedClock, exchange

TODAY = date(2026, 11, 21)
WEEK = date(2026, 11, 16)
NOW = exchange("2026-11-20", "16:31")

HOSTILE = (
    "https://evil.example/x",
    "see evil.example for more",
    "www.evil.example:8080/x?y=z#w",
    "http:evil.example",
    "https:\\\\evil.example",
    "//evil.example",
    "evil。example and evil．example and evil｡example",
    "xn--e1afmkfd.xn--p1ai",
    "пример.рф",
    "उदाहरण.भारत",
    "192.0.2.1 and 192.0.2.1/x",
    "localhost:8080/x",
    "[2001:db8::1]:80",
    "SAP.DE",
    "notes.md and run.sh",
    "a@evil.example",
    "mailto:a",
    "tel:+12025550100",
    "javascript:alert(1)",
    "slack://open?x",
    "evil.\u200bexample evil\u00ad.example",
    "evil&#46;example &lt;b&gt; &amp;",
    "<a href=https://evil.example>here</a>",
    "<script>alert(1)</script>",
    "[here](https://evil.example)",
    "![](x)",
    "<https://evil.example|here>",
    "@everyone @here @channel @ann",
    "<@U123> <!channel> <!here> <#C1> <@&1>",
    "#general and #tag",
    "/start",
    "*bold* _slanted_ __under__ ~struck~ ~~struck~~ `code` ```code``` ||hidden||",
    "snake_case__x__",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "---",
    "===",
    "a | b",
    ":smile: :100:",
    "a\\*b",
    "line\nhttps://evil.example\n# x",
)

# What clients make links of, as an independent reader of them would look for it: a scheme, an address, a name with a
# last label of two characters that are not all digits, after characters that draw nothing are dropped.
_HOST = re.compile(r"[^\s.()/]+[.。．｡](?=[^\W\d_])(?![^\W\d_](?![\w-]|[^\x00-\x7f…]))")
_ADDRESS = re.compile(r"(?<![\d.])\d{1,3}(\.\d{1,3}){3}(?![\d.])")
_SCHEME = re.compile(r"[^\W\d_]:[^\s\d]|\b(tel|sms|localhost):\d", re.IGNORECASE)
_MARKUP = re.compile(
    r"[<>@*`\[\]|~#\\\x00-\x09\x0b-\x1f]|://|//|&#?\w+;|(?<![^\W_])_|_(?![^\W_])|\B/\w+(?![\w/])|(?<!\w):[\w+-]+:"
)
_AT_A_LINE_START = re.compile(r"^\s*([-+=>]+(\s|$)|\d+[.)]\s)", re.MULTILINE)


def dangers(text: str) -> list[str]:
    drawn = "".join(each for each in text if each == "\n" or unicodedata.category(each) not in {"Cf", "Cc"})
    return [
        found[0] for rule in (_HOST, _ADDRESS, _SCHEME, _MARKUP, _AT_A_LINE_START) for found in rule.finditer(drawn)
    ]


def check(message: Message | None) -> Message:
    assert message is not None
    for text in (message.title, *message.body.splitlines()):
        assert dangers(text) == [], text
    return message


hostile = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(HOSTILE), max_size=3).map(" ".join),
    st.text(max_size=60),
    st.text(alphabet="ab.:/@<>[]()*_~`|#&;-+=1\\ \n", max_size=40),
)


@pytest.mark.parametrize("text", HOSTILE)
def test_the_reader_of_this_test_finds_what_is_dangerous(text: str) -> None:
    """Were nothing done about it."""
    assert dangers(text)


@given(text=hostile)
@example(text="a.b.cd")
@example(text="x_.yz")
@example(text="a:b:c:d")
def test_a_line_is_harmless_and_stays_so(text: str) -> None:
    shown = harmless(plain(text))
    assert dangers(shown) == []
    assert harmless(shown) == shown


@given(title=hostile, lines=st.lists(hostile, max_size=4))
def test_whatever_a_message_is_made_of(title: str, lines: list[str]) -> None:
    """Also where whoever made a line forgot that it holds text from outside."""
    check(make_message(title.replace("\n", " "), lines))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://evil.example/x", "https∶∕∕evil(.)example/x"),
        ("SAP.DE fell to 171.20", "SAP(.)DE fell to 171.20"),
        ("BRK.B", "BRK.B"),
        ("PostgreSQL 18.6.3, at 16:31:05, 1.08 pp, -0.40 pp", "PostgreSQL 18.6.3, at 16:31:05, 1.08 pp, -0.40 pp"),
        ("/srv/picks.csv, line 3: no such date", "/srv/picks(.)csv, line 3: no such date"),
        ("Set ALPHA_MONDAY_TIINGO_KEY.", "Set ALPHA_MONDAY_TIINGO_KEY."),
        ("alpha-monday open 2026-11-16 --late", "alpha-monday open 2026-11-16 --late"),
        ("monday-1:4711 leads", "monday-1:4711 leads"),
        ("10.0.0.5 does not answer", "10(.)0(.)0(.)5 does not answer"),
        ("Q&A; e.g. 3 < 4 & so on", "Q＆A; e.g. 3 ‹ 4 & so on"),
    ],
)
def test_it_can_still_be_read(text: str, shown: str) -> None:
    assert harmless(text) == shown


def event(event_type: EventType, payload: dict[str, Any]) -> LoggedEvent:
    instant = datetime(2026, 11, 21, tzinfo=UTC)
    return LoggedEvent(UUID(int=0), instant, None, event_type.value, payload, WEEK)


@pytest.mark.parametrize("event_type", [each for each in EventType if each is not EventType.PICKS_ANSWERED])
@given(values=st.lists(hostile, min_size=20, max_size=20), ticker=hostile, origin=hostile)
def test_every_event_that_is_told(event_type: EventType, values: list[str], ticker: str, origin: str) -> None:
    payload: dict[str, Any] = dict(zip(PAYLOAD_KEYS[event_type], values, strict=False))
    payload |= {"checkpoint_date": "2026-11-20", "as_of": None}
    if "symbols" in payload:
        payload["symbols"] = values
    figures = Figures(
        results={WEEK: BatchResult(Decimal(1), (PickResult("BUY", ticker, Decimal(1)),))},
        picks={WEEK: f"BUY {plain(ticker)}, against {plain(origin)} ({origin})"},
    )
    news = News(TODAY)
    news.add(event(event_type, payload))
    check(tell(news, figures, ALERTS))


@given(name=hostile, failure=hostile)
def test_a_source_that_fails_and_answers_again(name: str, failure: str) -> None:
    health = SourceHealth(SourceKind.PRICES, name)
    failing = replace(health, is_failing=True, failed_at=NOW, failure=failure)
    told, message = source_told(Told(NOW), failing, timedelta(0))
    check(message)
    _, message = source_told(told, replace(failing, is_failing=False, succeeded_at=NOW), timedelta(0))
    check(message)


@given(symbol=hostile, source=hostile, detail=hostile, cause=hostile)
def test_what_waits_for_somebody(symbol: str, source: str, detail: str, cause: str) -> None:
    move = Move(symbol, source, NOW.date() - timedelta(days=1), NOW.date(), Decimal(1), Decimal(9))
    check(doubts_told(Told(NOW), [(WEEK, move)])[1])
    opening = OpeningTry(WEEK, Delay(cause, detail), 1, None, NOW)
    opens, until = NOW - timedelta(hours=9), NOW + timedelta(hours=1)
    check(reminder_told(Told(NOW), opening, opens, until, NOW, takes_staged=True)[1])


class Kept:
    """What is sent without a database."""

    def __init__(self, _: Channels) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.alerts.lead, "Post", Kept)
    monkeypatch.setattr(core.alerts.ticks, "Post", Kept)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_lost_lead_and_ticks_that_fail(kept: None, text: str) -> None:
    settings = Settings(notify_urls=SecretStr("json://localhost"), notify_on=ALERTS)
    lead = LeadAlert(Channels(settings), settings, FixedClock(NOW), who=text)
    lead.lost(text)
    lead.over(text)
    ticks = TickAlert(Channels(settings), settings, FixedClock(NOW))
    ticks.failed(AlphaMondayError(text, text))
    ticks._failing_since = NOW - timedelta(hours=1)
    ticks.failed(AlphaMondayError(text, text))
    ticks.succeeded()
    messages = [*lead._post.messages, *ticks._post.messages]  # type: ignore[attr-defined]
    assert len(messages) == 4
    for message in messages:
        check(message)


@pytest.mark.parametrize("form", ["", "?format=text", "?format=html", "?format=markdown"])
async def test_it_arrives_as_it_was_made_in_whatever_form_the_address_asks_for(form: str) -> None:
    message = make_message(" ".join(HOSTILE)[:100].replace("\n", " "), HOSTILE)
    with service() as taker:
        [channel], problems = open_channels(taker.url + form)
        assert problems == ()
        assert await channel.send(message)
        [received] = taker.received
    assert not re.search(r"https?:|evil[.]example|@|<(?!br)", received.title + received.body)
