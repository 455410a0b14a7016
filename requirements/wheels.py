"""Print the files that the index has of each locked version: for Linux, and of what headrace itself
needs for macOS and Windows, too.

`make lock` writes them to wheels.txt, one in a line. It needs uv on the PATH.
"""

import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import unquote

FOLDER = Path(__file__).parent
COMPILE = [
    *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--no-deps"),
    *("--no-annotate", "--format", "pylock.toml", "development.txt"),
]

#: Platforms that the project is developed on, and those on which it is only used.
LINUX = re.compile(r"any|.*manylinux.*_(x86_64|aarch64)")
ELSEWHERE = re.compile(r"any|macosx_.*_(x86_64|arm64|universal2)|win_amd64")

#: What headrace itself needs, without what it is developed with.
USED = re.findall(r"^([a-z0-9-]+)==", (FOLDER / "image.txt").read_text(), re.MULTILINE)

written = subprocess.run(COMPILE, cwd=FOLDER, stdout=subprocess.PIPE, text=True, check=True)
print("# `make lock` found these on the index: wheels, or sources where no wheel is.")
for package in tomllib.loads(written.stdout)["packages"]:
    wheels = [unquote(wheel["url"].rsplit("/", 1)[1]) for wheel in package.get("wheels", ())]
    platforms = {name: name.removesuffix(".whl").rsplit("-", 1)[1] for name in wheels}
    ours = [
        name
        for name, platform in platforms.items()
        if LINUX.fullmatch(platform) or (package["name"] in USED and ELSEWHERE.fullmatch(platform))
    ]
    if not wheels:
        ours = [package["sdist"]["url"].rsplit("/", 1)[1]]
    for name in sorted(ours):
        print(name)
