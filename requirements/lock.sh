#!/bin/sh
# Choose today's newest versions within the ranges of pyproject.toml, for every supported Python,
# and write them down with their hashes: `make lock`. Three lists, which agree with each other:
#   build.txt         what builds the package
#   image.txt         what the image of the Dockerfile runs with
#   development.txt   both of them, and what develops and tests with
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
