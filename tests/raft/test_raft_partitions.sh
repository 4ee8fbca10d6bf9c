#!/bin/sh
# SPDX-License-Identifier: MIT
# The example of a replicated store, three servers of it, each in a network namespace: the leader is cut off from
# one or both of the others, in one or both directions, while clients use it; what they saw is checked. Then the
# same is killed in the middle, and nothing of it may stay.
set -u

for program in python3 unshare nsenter setpriv ip; do
    command -v $program >/dev/null || {
        echo "$program is missing"
        exit 77
    }
done
# A process namespace ends all that is in it with its first process, which ends with unshare, and that with this
# script, whatever ends it. The network namespaces are those of processes, and have no names.
in_namespaces() {
    user=
    [ "$(id -u)" -eq 0 ] || user='--user --map-root-user'
    # shellcheck disable=SC2086
    setpriv --pdeathsig KILL unshare $user --net --pid --mount-proc --fork --kill-child "$@"
}
said=$(in_namespaces ip link add bridge0 type bridge 2>&1) || {
    echo "network namespaces with a bridge cannot be made here: $said"
    exit 77
}

here=${srcdir:-.}/tests/raft
program=docs/examples/raft_kv
seconds=8
[ -z "${LF_LONG-}" ] || seconds=600
folder=$(mktemp -d ./raft_partitions.XXXXXX) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

mkdir "$folder/whole" "$folder/killed"
in_namespaces python3 -B "$here/kv_partitions.py" $program "$folder/whole" $seconds || exit 1

# The processes that have the folder in their arguments; not the one that looks.
list() {
    grep -l "$folder/kille[d]" /proc/[0-9]*/cmdline 2>/dev/null
}
count() {
    list | wc -l
}
in_namespaces python3 -B "$here/kv_partitions.py" $program "$folder/killed" 60 >"$folder/out" 2>&1 &
killed=$!
tries=0
until [ "$(count)" -ge 5 ] && grep -q 'servers run' "$folder/out"; do
    tries=$((tries + 1))
    if [ $tries -ge 600 ] || ! kill -0 $killed 2>/dev/null; then
        echo "the servers do not run"
        cat "$folder/out"
        exit 1
    fi
    sleep 0.1
done
kill -KILL $killed
tries=0
while [ "$(count)" -gt 0 ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || {
        echo "processes stay:"
        list
        exit 1
    }
    sleep 0.1
done
echo "killed in the middle: nothing stays"
