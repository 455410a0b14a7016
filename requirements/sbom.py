"""The parts list (SBOM) of an image or environment, in CycloneDX 1.6, on standard output.

Run by the Python whose packages are listed: `python sbom.py >sbom.cdx.json`. Packages of Debian are
listed where there are any. It needs nothing but that Python, and the same parts make the same list.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import uuid
from importlib import metadata
from typing import Any
from urllib.parse import quote

#: What the list is of.
ROOT = "headrace"

#: Texts of licences that are longer than this are the licences themselves.
LONGEST_NAME = 100

_APPROVED = "License :: OSI Approved :: "


def main() -> None:
    """Write the list."""
    packages = list_packages()
    system = [*list_debian_packages(), describe_python()]
    root = packages.pop(ROOT)
    parts = [*(packages[name] for name in sorted(packages)), *system]
    root = {**root, "type": "application"}
    listed: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": parts,
        "dependencies": [
            {"ref": root["bom-ref"], "dependsOn": sorted(part["bom-ref"] for part in parts)}
        ],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(listed, sort_keys=True))
    json.dump({**listed, "serialNumber": f"urn:uuid:{number}"}, sys.stdout, indent=1)


def list_packages() -> dict[str, dict[str, Any]]:
    """The Python packages that can be imported here, by name: the first of each."""
    found: dict[str, dict[str, Any]] = {}
    for package in metadata.distributions():
        name = package.metadata["Name"].lower().replace("_", "-").replace(".", "-")
        place = f"pkg:pypi/{quote(name)}@{quote(package.version)}"
        licences = find_licences(package.metadata)
        found.setdefault(name, make_part("library", name, package.version, place, licences))
    return found


def find_licences(told: metadata.PackageMetadata) -> list[dict[str, Any]]:
    """What a package says of its licence: an expression, a name, or classifiers."""
    if expression := told.get("License-Expression"):
        return [{"expression": expression}]
    name = (told.get("License") or "").strip()
    if name and name != "UNKNOWN" and "\n" not in name and len(name) <= LONGEST_NAME:
        return [{"license": {"name": name}}]
    classifiers = told.get_all("Classifier") or []
    names = [one.removeprefix(_APPROVED) for one in classifiers if one.startswith(_APPROVED)]
    return [{"license": {"name": one}} for one in names]


def list_debian_packages() -> list[dict[str, Any]]:
    """What dpkg has installed; nothing where there is no dpkg."""
    if shutil.which("dpkg-query") is None:
        return []
    form = "${Package} ${Version} ${Architecture} ${db:Status-Status}\n"
    told = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={form}"],  # noqa: S607 - as the PATH says
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    parts: list[dict[str, Any]] = []
    for name, version, architecture, status in sorted(map(str.split, told.splitlines())):
        if status == "installed":
            place = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}"
            parts.append(make_part("library", name, version, place))
    return parts


def describe_python() -> dict[str, Any]:
    """The interpreter."""
    version = platform.python_version()
    return make_part("platform", "python", version, f"pkg:generic/python@{version}")


def make_part(
    kind: str, name: str, version: str, place: str, licences: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A component. ``place`` is its package URL, and names it within the list."""
    part: dict[str, Any] = {
        "type": kind, "bom-ref": place, "name": name, "version": version, "purl": place
    }  # fmt: skip
    return {**part, "licenses": licences} if licences else part


if __name__ == "__main__":
    main()
