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

with_pip() {
    "$folder/bin/python" -m pip install --quiet "$@"
}

# In a tenth of pip's time. It does not read pip's configuration.
with_uv() {
    "$uv" pip install --quiet --python "$folder/bin/python" --compile-bytecode "$@" 2>/dev/null
}

# Beside the environment, which has what is locked and nothing else.
uv=$folder/installer/bin/uv
with_pip --target "$folder/installer" --only-binary :all: --require-hashes --requirement "$top/requirements/installer.txt" \
    2>/dev/null || uv=""
for list; do
    { [ -n "$uv" ] && with_uv --require-hashes --requirement "$top/requirements/$list.txt"; } \
        || with_pip --require-hashes --requirement "$top/requirements/$list.txt"
done
rm -rf "$folder/installer"
with_pip --no-deps --no-build-isolation --editable "$top"
