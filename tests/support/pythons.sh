#!/bin/sh
# pythons.sh newest: unit and integration tests with the newest supported Python of this machine, beside
# the Python of .venv.
# pythons.sh all: with each supported Python, one after the other. Where this machine does not have it,
# in a container of the image python:3.x-slim, which Docker then needs to have or to reach.
# pythons.sh 3.x ...: with these.
set -eu

SUPPORTED="3.15 3.14 3.13 3.12 3.11" # as the classifiers of pyproject.toml
PROGRAMS=tests/acceptance/test_stdlib_programs.py

# What depends on Python: processes, sockets, event loops, pickles, annotations, exceptions. Not again
# what finds the same with every version: pages and figures, rules that other programs follow, queue
# and shared state (no processes, threads or clocks inside), what the compiled libraries of the
# services compute, and tests with the mark any_python.
run_tests() { # PYTHON: with the folder of the checkout as the current one
    status=0
    "$1" -m pytest -q -n 2 --dist loadgroup -m "not slow and not compose and not any_python" \
        --ignore tests/unit/packaging --ignore tests/unit/benchmarks --ignore tests/unit/monitoring \
        --ignore tests/unit/coordinator/queue --ignore tests/unit/coordinator/shared \
        --ignore-glob 'tests/unit/services/images/test_[!s]*' \
        --ignore-glob 'tests/unit/services/primes/test_[!s]*' \
        tests/unit tests/integration || status=1
    # A few of them: they take a while. All pass there, too.
    "$1" -m pytest -q -n 2 --dist loadgroup -k "pool or wait" $PROGRAMS || status=1
    return $status
}

find_python() { # VERSION: on the PATH, then among pyenv's
    if "python$1" -c '' 2>/dev/null; then
        echo "python$1"
    elif command -v pyenv >/dev/null; then
        name=$(pyenv versions --bare | grep "^$1\." | tail -n 1)
        [ -n "$name" ] || return 0 # of no name pyenv takes the usual Python
        prefix=$(pyenv prefix "$name")
        [ ! -x "$prefix/bin/python" ] || echo "$prefix/bin/python"
    fi
}

is_of() { # PYTHON VERSION
    "$1" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$2')"
}

make_ready() { # PYTHON FOLDER: the locked environment, unless it is there
    for source in pyproject.toml requirements/development.txt requirements/install.sh; do
        [ "$2/.ready" -nt "$source" ] || rm -f "$2/.ready"
    done
    if [ ! -e "$2/.ready" ]; then
        sh requirements/install.sh "$1" "$2"
        touch "$2/.ready"
    fi
}

run_here() { # VERSION PYTHON
    echo "Python $1: unit and integration tests, and the programs of the standard library"
    is_of "$2" "$1" || { echo "$2 is no Python $1" >&2; exit 1; }
    if is_of .venv/bin/python "$1"; then
        environment=.venv
    else
        environment=.venv/python-$1
        make_ready "$2" "$environment"
    fi
    run_tests "$environment/bin/python"
}

# The checkout is read there and not written. The environment stays in a volume for the next time.
run_in_container() { # VERSION
    echo "Python $1, in a container: unit and integration tests, and the programs of the standard library"
    docker run --rm --init --name "headrace-python-$1-$$" \
        --volume "$PWD:/headrace:ro" --workdir /headrace \
        --volume "headrace-python-$1:/environment" --volume headrace-python-pip:/root/.cache/pip \
        "python:$1-slim" sh tests/support/pythons.sh inside "$1"
}

run_inside() { # VERSION
    export PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis
    export PYTEST_ADDOPTS="-p no:cacheprovider"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
        '^libprimesieve[0-9]+(t64)?$' git openssh-client procps >/dev/null 2>&1
    make_ready python /environment/python
    run_tests /environment/python/bin/python
}

if [ "$1" = newest ]; then
    for version in $SUPPORTED; do
        python=$(find_python "$version")
        [ -n "$python" ] || continue
        if ! is_of .venv/bin/python "$version"; then # its tests run anyway
            run_here "$version" "$python"
        fi
        exit 0
    done
    echo "no supported Python beside that of .venv here: no tests with another one"
    exit 0
fi
if [ "$1" = here ]; then
    run_here "$2" "$3"
    exit 0
fi
if [ "$1" = inside ]; then
    run_inside "$2"
    exit 0
fi

[ "$1" != all ] || set -- $SUPPORTED
failed=""
for version; do
    python=$(find_python "$version")
    if [ -n "$python" ]; then
        # A shell of its own: behind `||` this one would not end with the first that fails.
        sh "$0" here "$version" "$python" || failed="$failed $version"
    elif docker image inspect "python:$version-slim" >/dev/null 2>&1 \
        || docker pull --quiet "python:$version-slim" >/dev/null 2>&1; then
        run_in_container "$version" || failed="$failed $version"
    else
        echo "no Python $version here, and no image python:$version-slim"
        failed="$failed $version"
    fi
done
[ -z "$failed" ] || { echo "failed with Python$failed"; exit 1; }
