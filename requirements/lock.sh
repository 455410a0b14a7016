#!/bin/sh
# Choose today's newest versions within the ranges of pyproject.toml, for every supported Python,
# and write them down with their hashes: `make lock`. Three lists, which agree with each other, three
# of tools, and one for Python 3.11 that is of the other end of the ranges:
#   build.txt         what builds the package
#   image.txt         what the image of the Dockerfile runs with
#   development.txt   both of them, and what develops and tests with
#   wheels.txt        the files that there are of those: which Pythons, systems and processors have wheels
#   installer.txt     what install.sh installs the others with
#   fuzz.txt          what `make fuzz` has beside it
#   audit.txt         what `make audit` and `make sbom` run
#   oldest.txt        the oldest versions that the package promises to run with, and what tests it
set -eu
cd "$(dirname "$0")"
wanted=$(mktemp -d)
trap 'rm -r "$wanted"' EXIT

# What builds it, an editable install too. Read from the project file, which alone says it.
python3 -c 'import tomllib
with open("../pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["build-system"]["requires"], "editables", sep="\n")' >"$wanted/build.in"

# Without annotations: they would name the folder of the list above.
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
        --no-annotate --no-emit-index-url --no-emit-find-links \
        --custom-compile-command "make lock" "$@"
}
compile --extra dev ../pyproject.toml "$wanted/build.in" --output-file development.txt
compile ../pyproject.toml --constraint development.txt --output-file image.txt
compile "$wanted/build.in" --constraint development.txt --output-file build.txt
python3 wheels.py >wheels.txt
# Newer ones have no wheel for Python 3.11.
printf '%s\n' 'atheris<3.1; python_version < "3.12"' 'atheris; python_version >= "3.12"' >"$wanted/fuzz.in"
compile "$wanted/fuzz.in" --output-file fuzz.txt
echo uv >"$wanted/installer.in"
compile "$wanted/installer.in" --output-file installer.txt
printf '%s\n' pip-audit 'cyclonedx-python-lib[json-validation]' >"$wanted/audit.in"
compile "$wanted/audit.in" --output-file audit.txt

# What people use beside it is old, too; what runs the tests is new. Checkers are left out: they look
# at the code, whatever it runs with, and ask for newer libraries.
python3 -c 'import re, tomllib
with open("../pyproject.toml", "rb") as file:
    wanted = tomllib.load(file)["project"]["optional-dependencies"]
checkers = "headrace|import-linter|mypy|pre-commit|pyright|ruff|types-.*"
tests = [one for one in wanted["dev"] if not re.match(rf"({checkers})\b", one)]
print(*tests, sep="\n")' >"$wanted/test.in"
grep -E "^(joblib|pandas|polars|pyarrow|scikit-learn)\b" "$wanted/test.in" >"$wanted/beside.in"
uv pip compile --quiet --python-version 3.11 --resolution lowest-direct \
    ../pyproject.toml "$wanted/beside.in" --output-file "$wanted/lowest.txt"
grep "==" "$wanted/lowest.txt" >"$wanted/oldest.txt"
uv pip compile --quiet --python-version 3.11 --generate-hashes --upgrade \
    --constraint "$wanted/oldest.txt" --no-annotate --no-emit-index-url --no-emit-find-links \
    --custom-compile-command "make lock" \
    ../pyproject.toml "$wanted/test.in" "$wanted/build.in" --output-file oldest.txt
