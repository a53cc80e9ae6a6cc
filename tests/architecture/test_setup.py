"""A fresh machine gets what we tested: pinned, hashed, from wherever its pip looks."""

import re

from tests.architecture.tree import ROOT, read_project

PINS = (ROOT / "requirements" / "constraints.txt").read_text(encoding="utf-8")


def test_every_pin_has_a_hash():
    blocks = re.split(r"\n(?=\S)", PINS.strip())
    assert len(blocks) > 50
    assert [
        b for b in blocks if not re.match(r"[\w.-]+==[\w.]+[^\n]* \\\n +--hash=sha256:", b)
    ] == []


def test_pins_name_no_index():
    assert not re.search(r"://|--(index|extra-index|find-links|trusted-host)", PINS)


def test_every_dependency_is_pinned():
    project = read_project()["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(one for extra in extras for one in extra)]
    names = {re.split(r"[^\w.-]", requirement)[0] for requirement in wanted}
    pinned = set(re.findall(r"^([\w.-]+)==", PINS, flags=re.MULTILINE))
    assert names - pinned == set()
