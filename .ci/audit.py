"""Look every package of requirements.lock up in a database of known vulnerabilities, by pip-audit.

Ends with 1 where one has a vulnerability. Where the database cannot be reached it says so, loudly, and ends with 0:
that is no fault of the program, and somebody without the internet must be able to run the tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"
SECONDS = 120
UNKNOWN = "!!! The lock was NOT looked up for known vulnerabilities"


def audit(lock: Path) -> tuple[int, str]:
    """What pip-audit says of a lock: its exit status and its JSON, which is empty where it failed."""
    options = ["--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return 1, ""
    return done.returncode, done.stdout


def verdict(status: int, said: str) -> tuple[int, str]:
    """The exit status, and what to print."""
    try:
        packages = json.loads(said)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 0, f"{UNKNOWN}: the database cannot be reached from here (pip-audit ended with {status}). !!!"
    found = [
        f"{package['name']} {package['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'nothing'}"
        for package in packages
        for one in package.get("vulns", [])
    ]
    if found:
        return 1, "\n".join(["Known vulnerabilities in requirements.lock:", *found])
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped:
        some = ", ".join(skipped[:3]) + (", ..." if len(skipped) > 3 else "")
        share = f"{len(skipped)} of {len(packages)} packages are not in the database that answers here"
        return 0, f"{UNKNOWN} in full: {share} ({some}). !!!"
    return 0, f"No known vulnerability in the {len(packages)} packages of requirements.lock."


if __name__ == "__main__":
    status, told = verdict(*audit(LOCK))
    print(told, file=sys.stderr)
    sys.exit(status)
