#!/bin/sh
# install.sh PYTHON FOLDER: a virtual environment in FOLDER with exactly what is locked, and this
# checkout on top of it, editable.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
python=$1
folder=$2
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --require-hashes --requirement "$top/requirements/development.txt"
"$folder/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable "$top"
