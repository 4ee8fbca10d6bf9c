#!/bin/sh
# SPDX-License-Identifier: MIT
# A node's disk of libraft's own becomes a logfile, whatever was interrupted on the way, and the node has the same
# keys; what cannot be imported is refused and left as it is.
set -eu

program=docs/examples/raft_kv
folder=$(mktemp -d ./raft_import.XXXXXX)
server=
trap '[ -z "$server" ] || kill -KILL "$server"; rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "$*"
    cat "$folder/out"
    exit 1
}

# With the options of raft_kv.
import() {
    ./logfile-raft-import --slot-bytes 1048576 --segment-bytes 16777216 "$@"
}

# start DIRECTORY OPTION...: a server of one, on a port that is free.
start() {
    directory=$1
    shift
    for port in 12$$ 13$$ 14$$ 15$$ 16$$; do
        port=$((port % 18000 + 12000))
        $program serve "$directory" 1 1 $port "$@" >"$folder/out" 2>&1 &
        server=$!
        for _ in $(seq 600); do
            ! grep -q ready "$folder/out" || return 0
            kill -0 $server 2>/dev/null || break
            sleep 0.1
        done
        grep -q 'listen' "$folder/out" || fail "the server does not start"
    done
    fail "no free port"
}
# Ends it as a crash does.
stop() {
    kill -KILL "$server"
    wait "$server" 2>/dev/null || true
    server=
}
# What it answers to one line.
ask() {
    echo "$1" | $program client 1 $port
}
# fill DIRECTORY OPTION...: 200 keys, of which the last is "end".
fill() {
    start "$@" --own-disk
    i=0
    while [ $i -lt 200 ]; do
        echo "set key$i $i.$(printf %0100d $i)"
        i=$((i + 1))
    done | $program client 1 $port >"$folder/filled"
    [ "$(grep -c '^ok$' "$folder/filled")" -eq 200 ] || fail "not all keys were set"
    stop
}
# The keys are there, and more can be set.
check() {
    start "$1"
    for i in 0 1 77 199; do
        [ "$(ask "get key$i")" = "value $i.$(printf %0100d $i)" ] || fail "key$i: $(ask "get key$i")"
    done
    [ "$(ask 'set key77 new')" = ok ] || fail "nothing can be set"
    stop
    start "$1"
    [ "$(ask 'get key77')" = 'value new' ] || fail "what was set after the import is not there"
    stop
}
# left DIRECTORY: how many files libraft has in it, beside snapshots.
left() {
    find "$1" -maxdepth 1 \( -name 'open-*' -o -name 'metadata*' -o -name '0*' \) | wc -l
}

# A log from its start; then one that follows snapshots.
fill "$folder/whole"
import "$folder/whole" "$folder/whole/raft.log" >"$folder/out" || fail "not imported"
grep -q 'term [1-9][0-9]*, vote [01], entries 1 to 20[0-9]*; ' "$folder/out" || fail "what was imported"
[ "$(left "$folder/whole")" -eq 0 ] || fail "files of libraft's log stay"
check "$folder/whole"
fill "$folder/snapshot" --snapshot 50
cp -r "$folder/snapshot" "$folder/copy"
import "$folder/snapshot" "$folder/snapshot/raft.log" >"$folder/out" || fail "not imported"
grep -Eq 'entries [1-9][0-9]+ to 20[0-9]*, after a snapshot' "$folder/out" || fail "without its snapshot"
check "$folder/snapshot"

# Interrupted before the logfile counts: all is as before, and it begins again.
mkdir "$folder/copy/libraft-log"
ln "$folder/copy/metadata1" "$folder/copy/libraft-log/metadata1"
echo half >"$folder/copy/raft.log.import"
import "$folder/copy" "$folder/copy/raft.log" >"$folder/out" || fail "not begun again"
# And after it: first names are left.
ln "$folder/copy/libraft-log/metadata1" "$folder/copy/metadata1"
! $program serve "$folder/copy" 1 1 12000 >"$folder/out" 2>&1 || fail "it starts with two logs"
import "$folder/copy" "$folder/copy/raft.log" >"$folder/out" || fail "not finished"
[ "$(left "$folder/copy")" -eq 0 ] || fail "first names stay"
check "$folder/copy"

# says STATUS WORDS: what the last import that was refused did.
says() {
    [ "$status" -eq "$1" ] && grep -q "$2" "$folder/out"
}
# Sets status.
refused() {
    status=0
    import "$@" >"$folder/out" 2>&1 || status=$?
}
refused "$folder/copy" "$folder/copy/raft.log"
says 1 'is there already' || fail "imported twice"
echo other >"$folder/copy/metadata1" # libraft has run since
refused "$folder/copy" "$folder/copy/raft.log"
says 1 'has changed it' || fail "a file of libraft's was lost"
[ "$(cat "$folder/copy/metadata1")" = other ] || fail "a file that was refused is not as it was"
mkdir "$folder/empty"
refused "$folder/empty" "$folder/empty/raft.log"
says 1 'no log of libraft' || fail "nothing was imported"
[ -z "$(ls "$folder/empty")" ] || fail "an empty directory is not as it was"
refused "$folder/none" "$folder/raft.log"
[ $status -eq 1 ] || fail "no directory"
refused --slot-bytes 12k "$folder/empty" "$folder/empty/raft.log"
[ $status -eq 64 ] || fail "a size that is none"
refused "$folder/empty"
[ $status -eq 64 ] || fail "no log is named"
echo "imported: whole, after snapshots, interrupted"
