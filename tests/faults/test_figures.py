"""The page of figures: what makes it fail, and that the one that is kept is of this form."""

from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from tests.faults.__main__ import PAGE
from tests.faults.attacks import ATTACKERS, AttackFigures, attacks
from tests.faults.clocks import ClockFigures
from tests.faults.failovers import FailoverFigures
from tests.faults.figures import Proof, page
from tests.faults.interleavings import InterleavingFigures
from tests.faults.kills import KillFigures
from tests.faults.malformed import MalformedFigures
from tests.faults.outages import Outage, OutageFigures
from tests.faults.races import RaceFigures
from tests.faults.rows import Difference, Row, difference


def clean() -> Proof:
    """Figures of proofs in which everything held."""
    values = {each.name: () if each.name == "broken" else 0 for each in fields(FailoverFigures)}
    return Proof(
        seed=7,
        kills=KillFigures(kills=1_234, rows=Difference(compared=99_999)),
        failovers=FailoverFigures(**values),  # type: ignore[arg-type]
        outages=OutageFigures((Outage("etcd lost", "haproxy", 7.0, 2.5, 9.0, 1),), rows_compared=31_415),
        races=RaceFigures(races=Counter({"open, and open": 4_321})),
        interleavings=InterleavingFigures(),
        clocks=ClockFigures(differences={"asleep": Difference(compared=5)}),
        malformed=MalformedFigures(inputs=Counter({"picks file": 56_789})),
        attacks=AttackFigures({"a hostile file": 27_182}),
    )


def _lose_in_a_kill(proof: Proof) -> None:
    proof.kills.rows += Difference(lost=1)


def _lose_what_was_acknowledged(proof: Proof) -> None:
    proof.kills.acknowledged_lost = 1


def _repeat_in_a_race(proof: Proof) -> None:
    proof.races.repeated = 1


def _change_by_a_clock(proof: Proof) -> None:
    proof.clocks.differences["asleep"] = Difference(changed=1)


def _break_a_history(proof: Proof) -> None:
    proof.interleavings.broken.append("a batch without picks")


def _lose_in_an_outage(proof: Proof) -> None:
    object.__setattr__(proof, "outages", replace(proof.outages, rows_lost=1))


def _break_in_an_outage(proof: Proof) -> None:
    object.__setattr__(proof, "outages", replace(proof.outages, broken=("health took 11 s",)))


def _break_a_parser(proof: Proof) -> None:
    proof.malformed.broken.append("KeyError")


def _succeed_in_an_attack(proof: Proof) -> None:
    object.__setattr__(proof, "attacks", AttackFigures({}, broken=("a hostile file: a command was run",)))


def test_a_page_tells_what_was_done() -> None:
    proof = clean()
    assert proof.is_clean
    text = page(proof)
    for told in (
        "1,234",
        "4,321",
        "56,789",
        "99,999",
        "31,415",
        "27,182",
        "| etcd lost | HAProxy | 7.0 s | 2.5 s | 9.0 s |",
        "| **rows lost** | 0 |",
        "Seed: 7.",
    ):
        assert told in text
    assert "| etcd lost | HAProxy | 7.0 s | 2.5 s | 9.0 s |" in text.splitlines()
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    "disturb",
    [
        _lose_in_a_kill, _lose_what_was_acknowledged, _repeat_in_a_race, _change_by_a_clock, _break_a_history,
        _break_a_parser, _lose_in_an_outage, _break_in_an_outage, _succeed_in_an_attack,
    ],
)  # fmt: skip
def test_anything_lost_repeated_changed_or_broken_is_a_failure(disturb: Callable[[Proof], None]) -> None:
    proof = clean()
    disturb(proof)
    assert not proof.is_clean


@pytest.mark.parametrize("number", ["rows_lost", "rows_repeated", "rows_changed"])
def test_what_a_failover_loses_is_a_failure(number: str) -> None:
    proof = clean()
    assert not replace(proof, failovers=replace(proof.failovers, **{number: 1})).is_clean  # type: ignore[arg-type]


def test_rows_are_compared_by_what_they_are_and_what_they_say() -> None:
    one, other, changed = Row("picks", "a", "1"), Row("picks", "b", "1"), Row("picks", "a", "2")
    assert difference([one, other], [one, other]) == Difference(2)
    assert difference([one, other], [one]) == Difference(2, lost=1)
    assert difference([one], [one, one]) == Difference(1, repeated=1)
    assert difference([one], [one, other]) == Difference(1, repeated=1)
    assert difference([one, other], [changed, other]) == Difference(2, changed=1)
    assert difference([one], [other]) == Difference(1, lost=1, repeated=1)


def test_every_file_of_attacks_is_there() -> None:
    for file in (name for files in ATTACKERS.values() for name in files):
        assert (Path(__file__).parents[2] / file).is_file()


def test_the_page_that_is_kept_was_written_by_this_command() -> None:
    kept, made = PAGE.read_text(encoding="utf-8").splitlines(), page(clean()).splitlines()
    assert [line for line in kept if line.startswith("#")] == [line for line in made if line.startswith("#")]
    for promise in ("| **rows lost** | 0 |", "| **rows repeated** | 0 |", "| **other things that did not hold** | 0 |"):
        assert promise in kept


def test_a_page_tells_why_no_cluster_was_broken() -> None:
    proof = replace(clean(), outages=OutageFigures(skipped="not installed: etcd"))
    assert proof.is_clean
    assert "None of it was done: not installed: etcd." in page(proof)


def test_an_attack_that_succeeds_or_is_not_made_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "test_attack.py"
    file.write_text("def test_one(): pass\ndef test_other(): assert False\n")
    monkeypatch.setattr("tests.faults.attacks.ATTACKERS", {"ann": (str(file),), "bob": (str(tmp_path / "none.py"),)})
    figures = attacks(2, tmp_path)
    assert figures.made == {"ann": 2, "bob": 0}
    assert len(figures.broken) == 2
    assert "test_other" in figures.broken[0]
    assert "bob: no attack was made" in figures.broken[1]
