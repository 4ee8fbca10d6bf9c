# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the tests of logfile-bench have in common. A test that sources this is skipped without the program.

: "${LOGFILE_BENCH:?names the program}"
if [ ! -x "$LOGFILE_BENCH" ]; then
    echo "logfile-bench was not built: hwloc is missing"
    exit 77
fi
source=$(cd "${srcdir:-.}" && pwd)
failures=0

# needs_compiler: skips the test where there is none; $compiler may have flags.
needs_compiler() {
    compiler=${CC:-cc}
    command -v "${compiler%% *}" >/dev/null && return
    echo "no C compiler: $compiler"
    exit 77
}

# begin NAME: $here is a folder of the test's own, with out/ and logs/, where it runs; removed at its end.
begin() {
    here=$(mktemp -d "./test-$1-XXXXXX") || exit 1
    trap 'rm -rf "$here"' EXIT
    trap 'exit 1' HUP INT TERM
    here=$(cd "$here" && pwd)
    mkdir "$here/logs" "$here/out"
    cd "$here/logs" || exit 1
}

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
