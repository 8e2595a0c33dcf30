"""What is installed is what was locked, by hash, from no index that a file names, under licences that are known."""

import email.message
import json
import re
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PathDistribution, distribution, distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from tests.supply.bill import PRODUCT
from tests.supply.licences import ALLOWED, UNSTATED, LicenceError, kinds_of, licence_of, normal
from tests.supply.locks import BASE, BILL, DEV, LOCKS, ROOT, every_pin, extras, lock_file, pins, pins_in, project

# What may stand in a lock beside pins: no option that leads pip anywhere, and no address.
_LINES = re.compile(
    r"#[^\n]*|--only-binary :all:|-r [a-z]+\.lock"
    r"|[a-z0-9-]+==[a-z0-9.]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?"
)
_EXAMPLE = "./docs/examples/house-prices"


def bill() -> Any:
    return json.loads(BILL.read_text(encoding="utf-8"))


def wanted(extra: str | None) -> list[Requirement]:
    """What pyproject.toml asks for: itself, or in an extra."""
    metadata = project()["project"]
    texts = metadata["dependencies"] if extra is None else metadata["optional-dependencies"][extra]
    return [each for each in map(Requirement, texts) if each.name != PRODUCT]


def installed() -> dict[str, Distribution]:
    return {normal(each.name): each for each in distributions()}


def reached() -> set[str]:
    """Every distribution that the product, with all its extras, comes to depend on in this environment."""
    here = installed()
    found: set[str] = set()
    open_ends = [(PRODUCT, frozenset({"", DEV, *extras()}))]
    seen = set()
    while open_ends:
        end = name, chosen = open_ends.pop()
        if end in seen or name not in here:
            continue
        seen.add(end)
        for each in map(Requirement, here[name].requires or ()):
            environment = {key: str(value) for key, value in default_environment().items()}
            if each.marker is None or any(each.marker.evaluate({**environment, "extra": one}) for one in chosen):
                found.add(normal(each.name))
                open_ends.append((normal(each.name), frozenset({"", *each.extras})))
    return found - {PRODUCT}


@pytest.mark.parametrize("file", sorted(LOCKS.glob("*.lock")), ids=lambda file: file.stem)
def test_a_lock_holds_pins_and_hashes_and_names_no_host(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if not _LINES.fullmatch(line)] == []
    assert "://" not in text
    assert "--only-binary :all:" in text.splitlines(), "a distribution that is built runs unlocked programs"
    assert all(pin.hashes for pin in pins_in(text))


@pytest.mark.parametrize(
    "line",
    [
        "httpx==0.28.1\n",
        "--index-url https://index.example/simple\n",
        "--trusted-host index.example\n",
        f"httpx @ https://files.example/httpx.whl \\\n    --hash=sha256:{'0' * 64}\n",
        f"httpx>=0.28 \\\n    --hash=sha256:{'0' * 64}\n",
    ],
)
def test_what_is_no_pin_with_a_hash_is_noticed(line: str) -> None:
    with pytest.raises(ValueError, match="no pin with hashes"):
        list(pins_in(line))
    assert not all(_LINES.fullmatch(each) for each in line.splitlines()) or "--hash" not in line


def test_there_is_a_lock_for_each_extra() -> None:
    assert {file.stem for file in LOCKS.glob("*.lock")} == {BASE, DEV, *extras()}
    included = {name: re.findall(r"^-r (\w+)\.lock$", lock_file(name).read_text(), re.MULTILINE) for name in extras()}
    assert set(map(tuple, included.values())) == {(BASE,)}
    assert re.findall(r"^-r (\w+)\.lock$", lock_file(DEV).read_text(), re.MULTILINE) == extras()


@pytest.mark.parametrize("extra", [None, *extras(), DEV])
def test_the_locks_hold_what_pyproject_asks_for(extra: str | None) -> None:
    """A dependency that is added, or bounded anew, takes `python3 -m tests.supply`."""
    held = pins(BASE) | (every_pin() if extra == DEV else pins(extra or BASE))
    for each in wanted(extra):
        assert each.specifier.contains(held[normal(each.name)].version), each


def test_the_build_is_locked_too() -> None:
    """It runs without isolation, because pip would fetch what it takes unlocked."""
    for each in map(Requirement, project()["build-system"]["requires"]):
        assert each.specifier.contains(pins(BASE)[normal(each.name)].version)


def test_whatever_is_depended_on_is_locked() -> None:
    names = reached()
    assert len(names) > 80
    assert names - set(every_pin()) == set()


def test_one_distribution_has_one_version() -> None:
    for name in (BASE, *extras(), DEV):
        assert {each: pin.version for each, pin in pins(name).items()}.items() <= {
            each: pin.version for each, pin in every_pin().items()
        }.items()


def test_the_bill_is_of_the_locks() -> None:
    components = bill()["components"]
    assert {each["name"]: each["version"] for each in components} == {
        name: pin.version for name, pin in every_pin().items()
    }
    assert len({each["bom-ref"] for each in components}) == len(components)
    scopes = {each["name"]: each["scope"] for each in components}
    assert {scopes[name] for name in pins(BASE)} == {"required"}
    assert {scopes[name] for extra in extras() for name in pins(extra)} == {"optional"}
    assert {scopes[name] for name in pins(DEV)} == {"excluded"}


def test_the_bill_says_what_asks_for_what() -> None:
    graph = {each["ref"]: set(each["dependsOn"]) for each in bill()["dependencies"]}
    references = {each["name"]: each["bom-ref"] for each in bill()["components"]}
    assert set(graph) == {*references.values(), PRODUCT}
    assert {references[normal(each.name)] for each in wanted(None)} <= graph[PRODUCT]
    assert references["h11"] in graph[references["httpcore"]]
    assert set().union(*graph.values()) == set(references.values())


def test_every_licence_is_as_the_bill_says_and_of_a_known_kind() -> None:
    here = installed()
    stated = {each["name"]: each["licenses"] for each in bill()["components"]}
    checked = [name for name in stated if name in here]
    assert len(checked) > 80
    for name in checked:
        assert stated[name] == [{"expression": licence_of(here[name])}], name
    assert {kind for [each] in stated.values() for kind in kinds_of(each["expression"])} == ALLOWED


def test_no_licence_is_said_for_what_is_not_locked() -> None:
    assert set(UNSTATED) <= set(every_pin())
    assert all(reason for _, reason in UNSTATED.values())


class Metadata:
    """A distribution that an attacker, or a new version, gives other metadata."""

    def __init__(self, directory: Path, name: str, **fields: str) -> None:
        message = email.message.Message()
        for key, value in {"Metadata-Version": "2.4", "Name": name, "Version": "1", **fields}.items():
            message[key.replace("_", "-")] = value
        made = directory / f"{name}-1.dist-info"
        made.mkdir()
        (made / "METADATA").write_text(message.as_string())
        self.distribution = PathDistribution(made)


@pytest.mark.parametrize(
    "fields",
    [
        {"License_Expression": "AGPL-3.0-only"},
        {"License_Expression": "MIT AND GPL-2.0-or-later"},
        {"License": "Proprietary"},
        {"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"},
        {"License": "free for non-commercial use", "Classifier": "License :: Other/Proprietary License"},
        {},
    ],
)
def test_a_licence_of_a_new_kind_is_refused(tmp_path: Path, fields: dict[str, str]) -> None:
    with pytest.raises(LicenceError):
        licence_of(Metadata(tmp_path, "newcomer", **fields).distribution)


def test_a_licence_that_is_known_is_read(tmp_path: Path) -> None:
    assert (
        licence_of(Metadata(tmp_path, "a", License_Expression="MIT OR Apache-2.0").distribution) == "MIT OR Apache-2.0"
    )
    assert licence_of(Metadata(tmp_path, "b", License="BSD 2-Clause License").distribution) == "BSD-2-Clause"
    words = {"Classifier": "License :: OSI Approved :: Apache Software License"}
    assert licence_of(Metadata(tmp_path, "c", **words).distribution) == "Apache-2.0"


def test_the_wheel_carries_the_bill(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--disable-pip-version-check", "--wheel-dir", tmp_path, ROOT], check=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if re.search(r"\.dist-info/sboms/", name)]
        assert name.endswith("/alpha-monday.cdx.json")
        assert archive.read(name) == BILL.read_bytes()


PAGES = sorted(
    file
    for pattern in ("README.md", "docs/*.md", "docs/operations/*", ".ci/check", "core/plugins.py")
    for file in ROOT.glob(pattern)
)


def test_every_line_that_installs_takes_hashes() -> None:
    found = [
        command
        for page in PAGES
        for command in re.findall(r"pip install[^`|\n\"]*", page.read_text(encoding="utf-8"))
        for command in command.split("&&")
        if "pip install" in command
    ]
    hashed = [each for each in found if re.search(r"--require-hashes -r (/source/)?locks/(\w+|\{extra\})\.lock", each)]
    own = [each for each in found if "--no-deps --no-build-isolation" in each]
    assert len(hashed) >= 8
    assert [each for each in found if each not in hashed and each not in own] == []
    for each in own:
        assert re.search(rf"--no-build-isolation (-e )?(\.|/source|{re.escape(_EXAMPLE)})( |$)", each), each


def test_this_environment_is_the_locked_one() -> None:
    """With a product that was installed from here."""
    here = installed()
    assert PRODUCT in here
    assert distribution(PRODUCT).requires
    differing = {
        name: here[name].version
        for name, pin in every_pin().items()
        if name in here and here[name].version != pin.version
    }
    assert differing == {}
