#!/bin/sh
# Makes states.tar.xz and shown.json with headrace 0.1.0: sh states.sh FOLDER, that of an environment in
# which the last commit of version 0.1.0 is installed (30aa935), such as .venv. Needs tar and xz.
set -eu
bin=$1/bin
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
export HEADRACE_COORDINATOR=127.0.0.1:17334 HEADRACE_KEY_FILE="$work/data/key" PYTHONPATH="$here"
cd "$work"

"$bin/headrace" coordinator --bind "$HEADRACE_COORDINATOR" --no-http --data "$work/data" &
coordinator=$!
sleep 2
"$bin/headrace" worker --slots 2 --allow first_tasks --key-file "$work/data/key" &
worker=$!

# What has ended: with values, files and dead letters, and what was cancelled.
"$bin/headrace" submit primes count 0 1e6 --span 1e5 --detach --name counted
"$bin/headrace" submit primes find 0 4e5 --span 2e5 --detach --name found
mkdir pictures
"$bin/python" -c 'from PIL import Image
for number in range(3):
    Image.effect_noise((40 + 60 * (number == 2), 30 + 60 * (number == 2)), 60).save(f"pictures/{number}.png")'
printf 'no picture' >pictures/torn.png
"$bin/headrace" submit images grayscale pictures grey --detach --name pictures
printf '{"by": 4}\n{"by": 0}\n{"by": 3}\n' | "$bin/headrace" submit map --detach --name divided first_tasks:divide -
sleep 4

# What is shared, of each kind.
"$bin/python" - <<'SHARED'
from headrace import Cluster
with Cluster("127.0.0.1:17334") as cluster:
    cluster.value("total", 1).set(41)
    cluster.list("names").extend(["a", "b", {"deep": (1, 2.5)}])
    cluster.dict("ages").update({"ada": 36, ("x", 1): [None, True]})
    cluster.event("begun").set()
    queue = cluster.queue("parts", 5)
    queue.put({"part": 1})
    queue.put("y" * 20000)
    cluster.lock("door")
SHARED

# What is not done: nobody works any more.
kill "$worker"
wait "$worker" || true
printf '{"name": "a", "text": "z"}\n' | "$bin/headrace" submit map --detach --name given-up first_tasks:measure -
"$bin/headrace" cancel "$("$bin/headrace" jobs | awk '$NF == "given-up" { print $1 }')"
"$bin/python" -c 'import json
for size in (5, 20000, 7):
    print(json.dumps({"name": "a", "text": "y" * size}))' >records
"$bin/headrace" submit map --detach --name waiting first_tasks:measure records
"$bin/headrace" submit primes count 0 3e6 --span 1e6 --detach --name later

"$bin/python" - >shown.json <<'SHOWN'
import json, subprocess, sys, os
from headrace import Cluster
with Cluster("127.0.0.1:17334") as cluster:
    jobs = cluster.jobs()
    fields = ("name", "service", "operation", "state", "tasks", "done", "failed", "waiting", "submitted_at")
    shown = {"jobs": [{**{f: getattr(j, f) for f in fields}, "id": j.id} for j in jobs]}
    shown["failures"] = {
        j.name: [(f.index, f.reason, f.error_type, f.message) for f in cluster.job(j.id).failures()] for j in jobs
    }
    shown["shared"] = sorted((s.name, s.kind, s.items) for s in cluster.shared())
print(json.dumps(shown, indent=1))
SHOWN
kill -9 "$coordinator"
wait || true
rm -f "$work/data/lock"
tar --create --xz --file "$here/states.tar.xz" --sort=name --owner=0 --group=0 --sparse --directory "$work/data" .
cp shown.json "$here/shown.json"
rm -r "$work"
