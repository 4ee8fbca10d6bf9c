# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154 # $here: a folder of the test's own, with logs/, where it runs, and out/
# What the tests of logfile-bench have in common.

failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

bench() {
    "$LOGFILE_BENCH" "$@" >"$here/out/stdout" 2>"$here/out/stderr"
    status=$?
}

assert_nothing_left() {
    left=$(ls -A "$here/logs")
    [ -z "$left" ] || fail "$1: left behind: $left"
}

# refuses TEXT ARGUMENT...: one line that has TEXT, exit 64, no trace of a run.
refuses() {
    expected=$1
    shift
    bench "$@"
    [ $status -eq 64 ] || fail "$*: exit $status, not 64"
    [ "$(wc -l <"$here/out/stderr")" -eq 1 ] || fail "$*: not one line: $(cat "$here/out/stderr")"
    grep -q "^logfile-bench: " "$here/out/stderr" || fail "$*: the line does not name the program"
    grep -qF -e "$expected" "$here/out/stderr" ||
        fail "$*: '$expected' not in: $(cat "$here/out/stderr")"
    [ ! -s "$here/out/stdout" ] || fail "$*: wrote to standard output"
    assert_nothing_left "$*"
}
