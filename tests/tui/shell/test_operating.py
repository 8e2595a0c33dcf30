"""pause, resume and health as an operator and a probe meet them."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg
import pytest

from core.logs import MASK
from core.operators import operator_name
from tests.fakes import FixedClock, exchange
from tests.loopback import Loopback, reply, serving
from tests.tui.shell.conftest import CommandLine, Market, counts, everything, instant

HEALTH = [
    *("healthy", "problems", "notes", "last_tick_at", "last_tick_age_s", "leader", "leader_alive", "paused"),
    *("due", "overdue", "oldest_due_at", "opening_missed"),
]
ONCE = ("--headless", "--once", "--json")
HIDDEN = "0f8fad5b-d9cb-469f-a165"


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setattr("socket.gethostname", lambda: "desk")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FixedClock:
    """Monday of the first week, in the opening's half hour."""
    clock = FixedClock(exchange("2020-01-06", "09:05"))
    monkeypatch.setattr("core.services.SystemClock", lambda: clock)
    return clock


class TestPausing:
    def test_a_pause_is_told_kept_and_ended(self, market: Market, clock: FixedClock, alpha_monday: CommandLine) -> None:
        begun = alpha_monday("pause", "--reason", "moving house")
        assert (begun.code, begun.err) == (0, "")
        assert "alpha-monday resume" in begun.out
        told = {"who": "ann@desk", "since": "2020-01-06T09:05:00-05:00", "reason": "moving house"}
        clock.instant += timedelta(hours=1)
        again = alpha_monday("pause", "--json", "--reason", "another")
        assert (again.code, again.json) == (0, {"changed": False, "paused": told})
        plain = alpha_monday("pause")
        words = "by ann@desk since 2020-01-06 09:05 exchange time: moving house"
        assert (plain.code, plain.out) == (0, f"Paused already {words}.\n")
        ended = alpha_monday("resume", "--json")
        assert (ended.code, ended.json) == (0, {"changed": True, "paused": None, "ended": told})
        assert alpha_monday("resume", "--json").json == {"changed": False, "paused": None, "ended": None}
        assert alpha_monday("resume").out == "Nothing was paused.\n"
        assert alpha_monday("pause", "--json").json["changed"] is True
        assert alpha_monday("resume").out.startswith("Resumed; it was paused by ann@desk since")
        log = alpha_monday("events", "--json").json["events"]
        assert [event["event_type"] for event in log] == ["schedule_resumed", "schedule_paused"] * 2
        assert "who=ann@desk" in alpha_monday("events", "--type", "schedule_paused").out

    def test_a_reason_that_is_too_long_or_hostile(self, market: Market, alpha_monday: CommandLine) -> None:
        refused = alpha_monday("pause", "--reason", "x" * 301, "--json")
        assert (refused.code, refused.error["code"]) == (1, "not_possible")
        hostile = "\x1b]0;gotcha\x07[bold]\u202e"
        assert alpha_monday("pause", "--reason", hostile).code == 0
        for typed in (("pause",), ("latest",), ("batches",), ("health",), ("doctor",), ("resume",)):
            said = alpha_monday(*typed)
            assert "gotcha" in said.out + said.err, typed

    def test_during_a_pause_once_does_nothing_and_says_so(
        self, market: Market, conninfo: str, clock: FixedClock, alpha_monday: CommandLine
    ) -> None:
        alpha_monday("pause", "--reason", "moving house")
        before = everything(conninfo)
        for typed in (ONCE, (*ONCE, "--as-of", instant(clock.instant.date(), clock_time="09:04"))):
            outcome = alpha_monday(*typed)
            assert (outcome.code, outcome.json) == (3, counts())
            [line] = outcome.log
            assert (line["event"], line["who"], line["reason"]) == ("paused", "ann@desk", "moving house")
        assert alpha_monday("--headless", "--once").out == ""
        assert everything(conninfo) == before
        alpha_monday("resume")
        outcome = alpha_monday(*ONCE)
        assert (outcome.code, outcome.json) == (0, counts(opened=1))

    def test_readers_say_it_beside_their_output_and_not_in_it(
        self, replayed: Market, alpha_monday: CommandLine
    ) -> None:
        before = [alpha_monday(*typed) for typed in (("latest",), ("batches",), ("latest", "--json"))]
        assert [outcome.err for outcome in before] == ["", "", ""]
        alpha_monday("pause")
        after = [alpha_monday(*typed) for typed in (("latest",), ("batches",), ("latest", "--json"))]
        assert [outcome.out for outcome in after] == [outcome.out for outcome in before]
        for outcome in after[:2]:
            assert outcome.err.startswith("The schedulers are paused by ann@desk since ")
            assert "alpha-monday resume" in outcome.err
        assert after[2].err == "", "programs ask health"

    def test_operators_own_commands_go_on(self, market: Market, alpha_monday: CommandLine) -> None:
        alpha_monday("pause")
        assert alpha_monday("backfill", "--picks", str(market.picks), "--json").json["opened"] == 3

    def test_a_monday_missed_by_a_pause_says_so(
        self, market: Market, clock: FixedClock, alpha_monday: CommandLine
    ) -> None:
        assert alpha_monday(*ONCE).code == 0
        clock.instant = exchange("2020-01-12")
        alpha_monday("pause")
        clock.instant = exchange("2020-01-14")
        alpha_monday("resume")
        alpha_monday(*ONCE)
        [event] = alpha_monday("events", "--type", "batch_missed", "--json").json["events"]
        assert event["payload"]["cause"] == "paused"
        assert event["payload"]["detail"] == "by ann@desk since 2020-01-12 17:00 exchange time"

    def test_whoever_has_no_name_is_called_by_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nobody() -> str:
            raise KeyError("uid not found")

        monkeypatch.setattr("getpass.getuser", nobody)
        monkeypatch.setattr("os.getuid", lambda: 4711)
        assert operator_name() == "uid 4711@desk"


class TestHealth:
    def test_a_timer_that_keeps_up_is_healthy_until_it_stops(
        self, market: Market, clock: FixedClock, alpha_monday: CommandLine
    ) -> None:
        never = alpha_monday("health", "--json")
        assert (never.code, list(never.json)) == (1, HEALTH)
        assert never.json["problems"] == ["No scheduler has looked for work yet."]
        assert alpha_monday(*ONCE).code == 0
        clock.instant += timedelta(minutes=5)
        found = alpha_monday("health", "--json")
        assert (found.code, found.err) == (0, "")
        assert found.json == {
            "healthy": True, "problems": [], "notes": [], "last_tick_at": "2020-01-06T09:05:00-05:00",
            "last_tick_age_s": 300, "leader": None, "leader_alive": False, "paused": None,
            "due": 0, "overdue": 0, "oldest_due_at": None, "opening_missed": False,
        }  # fmt: skip
        clock.instant += timedelta(seconds=1)
        plain = alpha_monday("health")
        assert (plain.code, plain.err) == (1, "")
        assert plain.out.splitlines()[0] == "NOT healthy"
        assert "No scheduler has looked for work since 2020-01-06 09:05 exchange time." in plain.out
        assert alpha_monday("health", "--max-age", "25 h").out.splitlines()[0] == "healthy"
        assert alpha_monday("health", "--max-age", "2 min").code == 1
        clock.instant += timedelta(minutes=20)
        assert alpha_monday("health").code == 1
        assert alpha_monday("health", "--tick-every", "10 min").code == 0, "rare looks may be older"
        alpha_monday("pause")
        paused = alpha_monday("health", "--json")
        assert (paused.code, paused.json["paused"]["who"]) == (0, "ann@desk")

    def test_what_is_overdue_fails(self, market: Market, clock: FixedClock, alpha_monday: CommandLine) -> None:
        alpha_monday(*ONCE)
        clock.instant = datetime.fromisoformat("2020-01-07T03:30:00+00:00")
        assert alpha_monday("health", "--json", "--max-age", "25 h").json["due"] == 1
        clock.instant += timedelta(seconds=1)
        found = alpha_monday("health", "--json", "--max-age", "25 h")
        assert (found.code, found.json["overdue"]) == (1, 1)
        assert found.json["oldest_due_at"] == "2020-01-06T16:30:00-05:00"
        assert alpha_monday("health", "--max-age", "25 h", "--overdue-after", "7 h").code == 0
        alpha_monday(*ONCE)
        assert alpha_monday("health").code == 0

    def test_looking_as_of_another_moment_is_no_sign_of_life(
        self, market: Market, clock: FixedClock, alpha_monday: CommandLine
    ) -> None:
        assert alpha_monday(*ONCE, "--as-of", instant(clock.instant.date(), clock_time="09:01")).code == 0
        assert alpha_monday("health", "--json").json["last_tick_at"] is None

    def test_it_neither_migrates_nor_writes(
        self,
        market: Market,
        bare_conninfo: str,
        conninfo: str,
        alpha_monday: CommandLine,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        before = everything(conninfo)
        alpha_monday("health")
        assert everything(conninfo) == before
        monkeypatch.setenv("DATABASE_URL", bare_conninfo)
        found = alpha_monday("health", "--json")
        assert (found.code, found.json["healthy"], found.json["due"]) == (1, False, None)
        assert "behind this version" in found.json["problems"][0]
        with psycopg.connect(bare_conninfo) as connection:
            assert connection.execute("select to_regclass('schema_migrations')").fetchone() == (None,)

    @pytest.mark.parametrize("address", ["postgresql://me:geheimnis@127.0.0.1:1/x", "no address"])
    def test_a_database_that_is_not_there_is_a_problem_and_no_traceback(
        self, market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, address: str
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", address)
        for typed in (("health",), ("health", "--json")):
            found = alpha_monday(*typed)
            assert (found.code, found.err) == (1, "")
            assert "geheimnis" not in found.out
        assert json.loads(found.out)["healthy"] is False

    def test_one_that_does_not_answer_is_given_up(
        self, market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tui.shell.operating._ANSWERS_WITHIN_S", 0.3)

        async def hang(*_: object) -> None:
            import asyncio

            await asyncio.Event().wait()

        monkeypatch.setattr("tui.shell.operating.read_health", hang)
        found = alpha_monday("health", "--json")
        assert (found.code, found.json["healthy"]) == (1, False)
        assert "not answered" in found.json["problems"][0]

    @pytest.mark.parametrize("typed", ["5", "-1 s", "0 s", "119 s", "a day", "367 d", "", "٣ h"])
    def test_an_age_that_is_none_is_wrong_usage(self, alpha_monday: CommandLine, typed: str) -> None:
        outcome = alpha_monday("health", f"--max-age={typed}", "--json")
        assert (outcome.code, outcome.error["code"]) == (2, "usage")


class TestHeartbeat:
    @pytest.fixture
    def monitor(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
        with serving(lambda _: reply()) as monitor:
            monkeypatch.setenv("ALPHA_MONDAY_HEARTBEAT_URL", f"{monitor.url}/{HIDDEN}")
            yield monitor

    def test_once_calls_it_when_all_is_done_and_only_for_the_present(
        self, market: Market, clock: FixedClock, monitor: Loopback, alpha_monday: CommandLine
    ) -> None:
        assert alpha_monday(*ONCE, "--as-of", instant(clock.instant.date(), clock_time="09:01")).json == counts(
            opened=1
        )
        assert monitor.requests == []
        clock.instant = exchange("2020-01-06")
        assert alpha_monday(*ONCE).json == counts(computed=1)
        assert [request.path for request in monitor.requests] == [f"/{HIDDEN}"]
        market.prices.unlink()
        clock.instant = exchange("2020-01-08")
        assert alpha_monday(*ONCE).code == 3
        assert len(monitor.requests) == 1, "Tuesday is overdue"
        alpha_monday("pause")
        alpha_monday(*ONCE)
        assert len(monitor.requests) == 1

    def test_one_that_fails_neither_fails_the_run_nor_is_told_by_its_address(
        self, market: Market, clock: FixedClock, monitor: Loopback, alpha_monday: CommandLine
    ) -> None:
        monitor.answer = lambda _: reply(500, HIDDEN.encode())
        outcome = alpha_monday(*ONCE)
        assert (outcome.code, outcome.json) == (0, counts(opened=1))
        assert [line["event"] for line in outcome.log] == ["heartbeat_url_failed"]
        assert HIDDEN not in outcome.out + outcome.err

    def test_it_is_masked_and_looking_for_faults_does_not_call_it(
        self, market: Market, monitor: Loopback, alpha_monday: CommandLine
    ) -> None:
        settings = {each["name"]: each for each in alpha_monday("config", "--json").json["settings"]}
        assert settings["ALPHA_MONDAY_HEARTBEAT_URL"]["value"] == MASK
        checks = {check["name"]: check["message"] for check in alpha_monday("doctor", "--json").json["checks"]}
        assert checks["heartbeat"].startswith("set")
        alpha_monday("health")
        assert monitor.requests == []
