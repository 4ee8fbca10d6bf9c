#!/bin/sh
# SPDX-License-Identifier: MIT
# scripts/raft-compare runs, on both disks, and prints a line of figures for each.
set -eu

command -v python3 >/dev/null || {
    echo "python3 is missing"
    exit 77
}
folder=$(mktemp -d ./raft_compare.XXXXXX)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

compare() {
    "${srcdir:-.}/scripts/raft-compare" --build . --dir "$folder" --rounds 1 "$@" | tee "$folder/out"
}
# There is such a line.
expect() {
    grep -Eq "$1" "$folder/out" || {
        echo "no line is as: $1"
        exit 1
    }
}
compare --servers 1 --clients 4 --seconds 0.2
expect '^ +1 +4 logfile +[1-9][0-9,]* .*x .*x '
expect '^ +1 +4 libraft +[1-9][0-9,]* '
# At least 2,048 entries of 1 KiB, read again after SIGKILL.
compare --start 2097152
expect '^logfile +([2-9]|[1-9][0-9]+),[0-9]{3} .*\.\.'
expect '^libraft +([2-9]|[1-9][0-9]+),[0-9]{3} .*\.\.'
[ "$(ls "$folder")" = out ] || {
    echo "files stay:" "$folder"/*
    exit 1
}
