"""Look for known weaknesses of what the image installs, and check its parts list.

    python audit.py LOCK...        pip-audit, which asks PyPI about each version
    python audit.py --sbom FILE    CycloneDX's own schema, strictly

Run in an environment of `audit.txt`. Where PyPI's data on weaknesses cannot be reached, as behind a
mirror that has packages alone, that is said, and is no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Do what is asked for."""
    match sys.argv[1:]:
        case ["--sbom", path]:
            return validate(Path(path))
        case [*locks] if locks:
            return max(map(audit, locks))
        case _:
            print(__doc__, file=sys.stderr)
            return 2


def audit(lock: str) -> int:
    """Ask about every version in a lock. Returns 1 where there is a known weakness."""
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json",
         "--progress-spinner", "off", "--requirement", lock],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        lines = done.stderr.strip().splitlines() or ["pip-audit says nothing"]
        print(f"{lock}: nothing was audited, PyPI cannot be asked from here ({lines[-1][:300]})")
        return 0
    asked = [one for one in found if "skip_reason" not in one]
    if not asked:
        print(f"{lock}: nothing was audited, what PyPI knows of weaknesses cannot be had from here")
        return 0
    weak = [one for one in asked if one.get("vulns")]
    for one in weak:
        for weakness in one["vulns"]:
            mended = ", ".join(weakness.get("fix_versions", [])) or "no version"
            print(f"{one['name']} {one['version']}: {weakness['id']} (mended in {mended})")
    left = len(found) - len(asked)
    print(f"{lock}: {len(asked)} versions audited, {left} not known to PyPI, {len(weak)} weak")
    return 1 if weak else 0


def validate(path: Path) -> int:
    """Compare a parts list with the schema. Returns 1 where they do not agree."""
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - in an environment of its own
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415 - as above

    told = path.read_text()
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(told)
    if problem is not None:
        print(f"{path} is no CycloneDX 1.6: {problem}", file=sys.stderr)
        return 1
    print(f"{path}: CycloneDX 1.6, {len(json.loads(told)['components'])} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
