"""Known vulnerabilities in the locked versions, and whether anybody could know.

    python .ci/audit.py PIP_AUDIT

Ends with 1 for a known vulnerability and for a lock that cannot be read. A machine
that does not reach the advisory database is told so, loudly, and goes on. pip-audit
alone does not tell these apart: where a mirror answers 404 for everything, it finds
no vulnerability in the nothing that it looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys

LOCK = "requirements-dev.txt"  # holds the other two
UNREACHED = (
    "Could not connect", "ConnectionError", "Max retries exceeded", "ReadTimeout",
    "not redirecting properly", "may be blocking this service", "SSLError",
)


def main(program: str) -> int:
    """Run it and judge; the exit status."""
    command = [program, "--requirement", LOCK, "--disable-pip", "--format", "json",
               "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own command
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        if any(sign in done.stderr for sign in UNREACHED):
            return not_audited(done.stderr.strip().splitlines()[-1])
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        return 1
    known = [one for one in found if "vulns" in one]
    return judged(known, len(found) - len(known)) if known else not_audited("404")


def judged(known: list[dict], unknown: int) -> int:
    """Name every vulnerability, and how many packages the database does not have."""
    bad = [(one, fault) for one in known for fault in one["vulns"]]
    for one, fault in bad:
        fixed = ", ".join(fault["fix_versions"]) or "no version"
        print(f"{one['name']} {one['version']}: {fault['id']}, fixed in {fixed}")
    print(f"{len(known)} packages audited, {unknown} not in the database, "
          f"{len(bad)} known vulnerabilities")
    return bool(bad)


def not_audited(why: str) -> int:
    """Say it so that nobody takes it for a clean bill; the rest can still be tested."""
    line = "!" * 72
    print(f"{line}\nNOT AUDITED: the advisory database was not reached ({why}).\n"
          f"Run `make audit` on a machine with internet before a release.\n{line}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
