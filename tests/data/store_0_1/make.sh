#!/bin/sh
# Makes store.tar.xz with headrace 0.1.0: sh make.sh HEADRACE, the command of an environment in which
# the last commit of version 0.1.0 is installed (30aa935). Needs tar and xz.
set -eu
headrace=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
export HEADRACE_COORDINATOR=127.0.0.1:17333 HEADRACE_KEY_FILE="$work/data/key" PYTHONPATH="$here"

"$headrace" coordinator --bind "$HEADRACE_COORDINATOR" --no-http --data "$work/data" &
coordinator=$!
sleep 2

# What has ended: results beside the database and in it, and a dead letter.
FIRST_TASKS_SLOW=1 "$headrace" worker --slots 2 --allow first_tasks --key-file "$work/data/key" &
worker=$!
submit() {
    "$headrace" submit map --detach --json --name "$1" "first_tasks:$2" "$3"
}
printf '{"times": 3}\n{"times": 40000}\n' | submit repeated repeat -
printf '{"by": 4}\n{"by": 0}\n{"by": 3}\n' | submit divided divide -
"$headrace" submit primes count 0 100000 --detach --name counted
sleep 3

# What runs: two of its four tasks are done, one of whose others has an input beside the database.
python3 -c 'import json
for name, size in zip("abcd", (5, 20000, 7, 30000)):
    print(json.dumps({"name": name, "text": "y" * size}))' >"$work/records"
submit measured measure "$work/records"
sleep 3
"$headrace" jobs
kill -9 "$worker" "$coordinator"
wait || true
rm -f "$work/data/lock"
tar --create --xz --file "$here/store.tar.xz" --sort=name --owner=0 --group=0 --sparse \
    --directory "$work/data" .
rm -r "$work"
