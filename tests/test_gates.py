"""What .ci/run makes of what its tools say, and that docs/security.md says what the code does."""

from __future__ import annotations

import importlib
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
verdict = runpy.run_path(str(ROOT / ".ci" / "audit.py"))["verdict"]
SERVER = {path.stem for path in (ROOT / "vae" / "ui" / "server").glob("*.py")}
SOUND = {"name": "a", "version": "1", "vulns": []}
FOUND = [{"id": "CVE-1", "fix_versions": ["3"]}, {"id": "X", "fix_versions": []}]
VULNERABLE = {"name": "b", "version": "2", "vulns": FOUND}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "status", "told"),
    [
        ([SOUND, SOUND], 0, "No known vulnerability in the 2 packages of requirements.lock."),
        ([SOUND, UNKNOWN], 0, "!!! The lock was NOT looked up for known vulnerabilities in full: 1 of 2 packages"),
        ([UNKNOWN, VULNERABLE], 1, "Known vulnerabilities in requirements.lock:\nb 2: CVE-1, mended in 3\nb 2: X"),
        (None, 0, "!!! The lock was NOT looked up for known vulnerabilities: the database cannot be reached"),
    ],
)
def test_a_known_vulnerability_fails_and_an_unreachable_database_is_loud(
    packages: list[Any] | None, status: int, told: str
) -> None:
    said = "" if packages is None else json.dumps({"dependencies": packages, "fixes": []})
    found, text = verdict(1, said)
    assert found == status and text.startswith(told)


def test_the_bounds_that_are_documented_are_those_in_force() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    rows = re.findall(r"^\| .+ \| ([\d,]+)( MB)?[^|]* \| `(\w+)\.(\w+)` \|$", text, re.MULTILINE)
    assert len(rows) == len(re.findall(r"^\| .+` \|$", text, re.MULTILINE)) > 25
    for number, megabytes, module, name in rows:
        package = "vae.ui.server." if module in SERVER else "vae.ui." if module == "permalink" else "vae."
        bound = getattr(importlib.import_module(package + module), name)
        assert bound == int(number.replace(",", "")) * (2**20 if megabytes else 1), f"{module}.{name}"
