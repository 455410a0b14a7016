"""Real photographs for the demo and the tests.

    python tests/support/photographs.py DIR             20 from scikit-image's wheel on PyPI
    python tests/support/photographs.py --debian DIR    27 of 1.3 to 16 megapixels, from Debian

The wheel is fetched by pip wherever Python runs, and unpacked, never installed. Its photographs
are small: 0.01 to 2 megapixels, 7 in all; they were chosen by that project for their free licences
(skimage.data tells each one's origin). The Debian packages hold desktop photographs under CC-BY,
CC-BY-SA and GPL licences (``/usr/share/doc/*/copyright`` in each); ``apt-get download`` needs no
root, only package lists.

What is in the folder already is not fetched again.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

#: The last release whose wheel carries them all, with a cameraman under CC0.
REQUIREMENT = "scikit-image==0.18.3"

#: Any build will do, as nothing in it is run: this one exists for certain.
_WHEEL_OPTIONS = (
    "--no-deps",
    "--only-binary=:all:",
    "--implementation=cp",
    "--python-version=3.9",
    "--abi=cp39",
    "--platform=manylinux2010_x86_64",
)

#: The photographs among the wheel's pictures; the others are drawings and test patterns.
NAMES = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "microaneurysms.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)

#: Debian packages, and the folders in them that hold photographs and no drawings.
DEBIAN_PACKAGES = ("mate-backgrounds", "lomiri-wallpapers-16.04")
_DEBIAN_PATTERNS = ("usr/share/backgrounds/mate/nature/*.jpg", "usr/share/backgrounds/*_by_*.jpg")

#: Seconds that one download may take.
_DOWNLOAD_SECONDS = 300


class PhotographsUnavailableError(Exception):
    """The photographs cannot be fetched here."""


def fetch(folder: Path) -> list[Path]:
    """Make sure that the 20 photographs of the wheel are in the folder, and list them.

    Raises PhotographsUnavailableError with pip's last line, such as when there is no network.
    """
    wanted = [folder / name for name in NAMES]
    if all(path.is_file() for path in wanted):
        return wanted
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", scratch]
        _run([*command, *_WHEEL_OPTIONS, REQUIREMENT], f"pip could not fetch {REQUIREMENT}")
        wheel = next(Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            for path in wanted:
                member = archive.extract(f"skimage/data/{path.name}", scratch)
                Path(member).replace(path)
    return wanted


def fetch_debian(folder: Path) -> list[Path]:
    """Unpack the photographs of the Debian packages into the folder, and list them.

    Raises PhotographsUnavailableError where apt or its package lists are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / ".debian-complete"
    if not marker.exists():
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as scratch:
            _run(
                ["apt-get", "download", *DEBIAN_PACKAGES],
                f"apt-get could not fetch {' '.join(DEBIAN_PACKAGES)} (apt-get update helps)",
                cwd=scratch,
            )
            for package in sorted(Path(scratch).glob("*.deb")):
                _run(["dpkg", "-x", str(package), scratch], f"dpkg could not unpack {package.name}")
            for pattern in _DEBIAN_PATTERNS:
                for path in sorted(Path(scratch).glob(pattern)):
                    shutil.move(path, folder / path.name)
        marker.touch()
    return sorted(folder.glob("*.jpg"))


def _run(command: list[str], failure: str, cwd: str | None = None) -> None:
    try:
        subprocess.run(
            command, cwd=cwd, check=True, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS
        )
    except FileNotFoundError as error:
        raise PhotographsUnavailableError(f"{failure}: there is no {command[0]} here") from error
    except subprocess.TimeoutExpired as error:
        raise PhotographsUnavailableError(
            f"{failure} within {_DOWNLOAD_SECONDS} seconds: is there a network?"
        ) from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"exit code {error.returncode}"
        raise PhotographsUnavailableError(f"{failure}: {reason}") from error


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch real photographs into a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--debian", action="store_true", help="larger ones, from Debian packages (needs apt)"
    )
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    try:
        found = fetch_debian(folder) if arguments.debian else fetch(folder)
    except PhotographsUnavailableError as error:
        print(f"no photographs: {error}", file=sys.stderr)
        return 1
    print(f"{len(found)} photographs in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
