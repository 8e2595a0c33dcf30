"""`docs/logs.md` lists every event that is logged, with its fields: read out of the sources, not believed."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.catch_up import Report

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "logs.md"
Events = dict[str, set[str]]
# Calls that stand for several fields in a record's `extra`.
SPREAD = {"report.counts()": frozenset(Report().counts())}


def logged(source: str) -> Events:
    """The events that a module logs, each with its fields. Raises AssertionError for one that cannot be read off."""
    tree = ast.parse(source)
    found: defaultdict[str, set[str]] = defaultdict(set)
    for extra, function in extras(tree):
        assert isinstance(extra, ast.Dict), f"line {extra.lineno}: extra= is no literal"
        fields: set[str] = set()
        names: list[str] = []
        for key, value in zip(extra.keys, extra.values, strict=True):
            if key is None:
                fields |= SPREAD[ast.unparse(value)]
                continue
            assert isinstance(key, ast.Constant), f"line {extra.lineno}: a field's name is no literal"
            assert isinstance(key.value, str)
            if key.value == "event":
                names = event_names(value, function, tree)
            else:
                fields.add(key.value)
        assert names, f"line {extra.lineno}: no event"
        for name in names:
            found[name] |= fields
    return dict(found)


def extras(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.AST]]:
    """What each call gives as `extra`, and the function that it stands in."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                yield from ((keyword.value, function) for keyword in node.keywords if keyword.arg == "extra")


def event_names(value: ast.expr, function: ast.AST, tree: ast.AST) -> list[str]:
    """The names that an event can have: a literal, one of two, or what callers pass for an argument."""
    if isinstance(value, ast.Constant):
        return [str(value.value)]
    if isinstance(value, ast.IfExp):
        return event_names(value.body, function, tree) + event_names(value.orelse, function, tree)
    assert isinstance(value, ast.Name), f"line {value.lineno}: an event's name is no literal"
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    place = [argument.arg for argument in function.args.args].index(value.id)
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function.name
    ]
    return [name for call in calls for name in event_names(call.args[place], function, tree)]


def documented(page: str) -> Events:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", page, re.MULTILINE)
    assert len({name for name, _ in rows}) == len(rows), "an event stands twice"
    return {name: set(re.findall(r"`(\w+)`", fields)) for name, fields in rows}


def test_every_event_and_field_that_is_logged_is_documented() -> None:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for folder in ("core", "db", "tui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for name, fields in logged(path.read_text(encoding="utf-8")).items():
                found[name] |= fields
    assert documented(PAGE.read_text(encoding="utf-8")) == dict(found)


def test_events_are_read_out_of_every_form_in_which_they_are_logged() -> None:
    source = """
def _note(args, event, sentence):
    log.warning(sentence, extra={"event": event, "b": 1})

def one(report):
    log.info("x", extra={"event": "plain", "a": 1, **report.counts()})
    log.info("x", extra={"event": "left" if report else "right"})
    _note(args, "passed", "...")
"""
    counts = {"opened", "already_there", "computed", "skipped", "waiting"}
    assert logged(source) == {"plain": {"a", *counts}, "left": set(), "right": set(), "passed": {"b"}}


@pytest.mark.parametrize("extra", ['{"a": 1}', "fields", '{name: 1, "event": "x"}', '{"event": f"{x}"}'])
def test_what_cannot_be_read_off_is_refused(extra: str) -> None:
    with pytest.raises(AssertionError):
        logged(f"def one(fields, name):\n    log.info('x', extra={extra})")


def test_a_page_that_is_not_in_step_is_noticed() -> None:
    page = "| `tick` | `opened`, `missed` | a look |\n| `stopped` |  | the end |\n"
    assert documented(page) == {"tick": {"opened", "missed"}, "stopped": set()}
    with pytest.raises(AssertionError, match="twice"):
        documented(page + "| `tick` | `opened` | again |\n")
