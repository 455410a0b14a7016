"""Print the files for Linux that the index has of each locked version, one in a line.

`make lock` writes them to wheels.txt. It needs uv on the PATH.
"""

import subprocess
import tomllib
from pathlib import Path
from urllib.parse import unquote

FOLDER = Path(__file__).parent
COMPILE = [
    *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--no-deps"),
    *("--no-annotate", "--format", "pylock.toml", "development.txt"),
]

written = subprocess.run(COMPILE, cwd=FOLDER, stdout=subprocess.PIPE, text=True, check=True)
print("# `make lock` found these on the index: wheels for Linux, or sources where no wheel is.")
for package in tomllib.loads(written.stdout)["packages"]:
    wheels = [unquote(wheel["url"].rsplit("/", 1)[1]) for wheel in package.get("wheels", ())]
    platforms = {name: name.removesuffix(".whl").rsplit("-", 1)[1] for name in wheels}
    ours = [
        name
        for name, platform in platforms.items()
        if platform == "any"
        or ("manylinux" in platform and platform.endswith(("_x86_64", "_aarch64")))
    ]
    if not wheels:
        ours = [package["sdist"]["url"].rsplit("/", 1)[1]]
    for name in sorted(ours):
        print(name)
