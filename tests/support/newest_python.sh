#!/bin/sh
# Unit and integration tests on the newest supported Python as well, where there is one beside the
# Python of .venv. Looked for on the PATH, then among pyenv's versions.
set -eu
version=3.13
python=""
if "python$version" -c '' 2>/dev/null; then
    python="python$version"
elif command -v pyenv >/dev/null; then
    prefix=$(pyenv prefix "$(pyenv versions --bare | grep "^$version" | tail -n 1)" 2>/dev/null) || true
    [ -z "${prefix:-}" ] || python="$prefix/bin/python"
fi
if [ -z "$python" ]; then
    echo "no Python $version here: its tests are skipped"
    exit 0
fi
if .venv/bin/python -c "import sys; sys.exit(sys.version_info[:2] != tuple(map(int, '$version'.split('.'))))"; then
    exit 0 # .venv is of that version: its tests run anyway
fi
environment=.venv/python-$version
ready=$environment/.ready
for source in pyproject.toml requirements/development.txt requirements/install.sh; do
    [ "$ready" -nt "$source" ] || rm -f "$ready"
done
if [ ! -e "$ready" ]; then
    sh requirements/install.sh "$python" "$environment"
    touch "$ready"
fi
echo "Python $version: unit and integration tests, and the programs of the standard library"
# What depends on Python: processes, sockets, event loops, pickles, annotations, exceptions. Not again
# what finds the same with every version: pages and figures, rules that other programs follow, queue
# and shared state (no processes, threads or clocks inside), what the compiled libraries of the
# services compute, and tests with the mark any_python.
"$environment/bin/pytest" -q -n 2 --dist loadgroup -m "not slow and not compose and not any_python" \
    --ignore tests/unit/packaging --ignore tests/unit/benchmarks --ignore tests/unit/monitoring \
    --ignore tests/unit/coordinator/queue --ignore tests/unit/coordinator/shared \
    --ignore-glob 'tests/unit/services/images/test_[!s]*' \
    --ignore-glob 'tests/unit/services/primes/test_[!s]*' \
    tests/unit tests/integration
# A few of them: they take a while. All pass there, too.
"$environment/bin/pytest" -q -n 2 --dist loadgroup -k "pool or wait" tests/acceptance/test_stdlib_programs.py
