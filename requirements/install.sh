#!/bin/sh
# install.sh PYTHON FOLDER [LIST...]: a virtual environment in FOLDER with exactly what is locked in
# these lists, development.txt when none is given, and this checkout on top of it, editable.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
python=$1
folder=$2
shift 2
[ $# -gt 0 ] || set -- development
"$python" -m venv "$folder"
for list; do
    "$folder/bin/python" -m pip install --quiet --require-hashes --requirement "$top/requirements/$list.txt"
done
"$folder/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable "$top"
