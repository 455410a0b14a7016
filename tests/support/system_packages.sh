#!/bin/sh
# Debian packages that some tests need. Installed where that is possible: as root, with apt.
# Without them those tests are skipped, and say so.
set -u
want=""
ldconfig -p 2>/dev/null | grep -q libprimesieve || want="$want libprimesieve-dev"
command -v primesieve >/dev/null || want="$want primesieve-bin"
command -v promtool >/dev/null || want="$want prometheus"
command -v tmux >/dev/null || want="$want tmux"
command -v strace >/dev/null || want="$want strace"
command -v chromium >/dev/null || want="$want chromium"
[ -n "$want" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed:$want (tests that need them are skipped)"
    exit 0
fi
echo "installing:$want"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null 2>&1
# Debian's Prometheus package would start a server; tests want its programs alone.
for package in $want; do
    apt-get install -qq -y --no-install-recommends "$package" >/dev/null 2>&1 ||
        echo "could not install $package (tests that need it are skipped)"
done
exit 0
