#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/examples/crash_test finds nothing in a recovery that is right, finds the bug that is planted
# in one, and the command that it prints then has the same failure again.
set -eu

program=docs/examples/crash_test
folder=$(mktemp -d ./test_crash_example.XXXXXX)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "test_crash_example: $1" >&2
    cat "$folder/out" >&2
    exit 1
}

# run STATUS COMMAND...: what it prints goes to the file out.
run() {
    expected=$1
    shift
    code=0
    "$@" >"$folder/out" 2>&1 || code=$?
    [ $code -eq "$expected" ] || fail "$* exited with $code instead of $expected"
}

run 0 $program
grep -Eq '^[1-9][0-9]{2,} crashes: no transfer was lost' "$folder/out" || fail "few crashes"

run 1 $program --bug
grep -q '^broken: the sum of all balances is not 0' "$folder/out" || fail "another failure"
cp "$folder/out" "$folder/first"
again=$(sed -n 's/.*again with: //p' "$folder/out")
[ -n "$again" ] || fail "no command to have it again"
# shellcheck disable=SC2086 # a command and its arguments
run 1 $again
cmp "$folder/first" "$folder/out" || fail "not the same failure again"

# Without the bug the same case is fine.
# shellcheck disable=SC2046
run 0 $(echo "$again" | sed 's/ --bug//')
grep -q '^1 crashes' "$folder/out" || fail "more than one case"

run 2 $program nonsense
run 2 $program --bug 1
run 2 $program 0 1
