#!/bin/sh
# SPDX-License-Identifier: MIT
# logfile-bench --peer: the example of a store that is loaded is measured and read back, and what is no such
# store is refused in one line.
set -u

. "${srcdir:-.}/tests/bench/bench_test.sh"
needs_compiler
begin plugin

# make NAME [SED-EXPRESSION]: the example, changed, as NAME.so.
make() {
    sed "${2-}" "$source/docs/examples/append_peer.c" >"$here/$1.c"
    # shellcheck disable=SC2086 # the compiler and its flags
    $compiler -shared -fPIC -O2 -Wall -Wextra -Werror -I "$source/include" -o "$here/$1.so" "$here/$1.c" ||
        fail "$1 does not compile"
}

make append
make other 's/= "append"/= "other-store"/'

# Beside the log, with its own label and settings; each record is read back.
for how in "--size 600" "--size-range 0:9000" "--rate 500" "--size 4K --writers 3,1"; do
    # shellcheck disable=SC2086 # an option and its value
    bench --engine ring,mutex --peer "$here/append.so,$here/other.so" --writers 3 --records 20 $how \
        --json "$here/json"
    [ $status -eq 0 ] || fail "$how: exit $status: $(cat "$here/out/stderr")"
    [ "$(sed -n 's/^{"engine":"\([^"]*\)","variant":"\([^"]*\)".*/\1=\2/p' "$here/json" | sort -u | tr '\n' ' ')" = \
        "append=append mutex=mutex other-store=other-store ring=ring " ] || fail "$how: $(cat "$here/json")"
    grep -q '"settings":"a plain file with O_APPEND' "$here/json" || fail "$how: settings"
    grep -q '^append 1: a plain file' "$here/out/stdout" || fail "$how: the table does not name its settings"
    assert_nothing_left "$how"
done
(cd "$here" && "$LOGFILE_BENCH" --engine ring --peer append.so --writers 2 --records 5 --dir logs) \
    >"$here/out/stdout" 2>&1 || fail "a name without a slash: $(cat "$here/out/stdout")"
bench --check --peer "$here/append.so"
[ $status -eq 0 ] || fail "--check: exit $status: $(cat "$here/out/stderr")"

# What it loses, changes or says is found out.
make loses 's/if (writev/if (key % 7 != 3 \&\& writev/'
bench --engine ring --peer "$here/loses.so" --writers 2 --records 20
[ $status -eq 1 ] || fail "a lost record: exit $status"
grep -q 'READ-BACK MISMATCH' "$here/out/stderr" || fail "a lost record: $(cat "$here/out/stderr")"
rm -rf "$here"/logs/*
make changes 's/struct header header = {key, size};/struct header header = {key ^ (key % 11 == 5), size};/'
bench --engine ring --peer "$here/changes.so" --writers 1 --records 20
[ $status -eq 1 ] || fail "a changed key: exit $status"
rm -rf "$here"/logs/*
make fails 's/if (writev(own->fd, parts, 2)/if (writev(key > 5 ? -1 : own->fd, parts, 2)/'
bench --engine ring --peer "$here/fails.so" --writers 1 --records 20
[ $status -eq 1 ] || fail "a failed append: exit $status"
grep -q 'append, 1 writer: append: writev: Bad file descriptor' "$here/out/stderr" ||
    fail "a failed append: $(cat "$here/out/stderr")"
rm -rf "$here"/logs/*

# What is no peer.
refuses "No such file" --peer "$here/missing.so"
echo "not a library" >"$here/text.so"
refuses "not a shared object that can be loaded: " --peer "$here/text.so"
make bare '/^BENCH_PEER_PLUGIN/d; s/^static const struct bench_peer/extern const struct bench_peer append_peer; const struct bench_peer/'
refuses "it has no bench_peer_plugin: end its source with BENCH_PEER_PLUGIN(...)" --peer "$here/bare.so"
make future 's/^BENCH_PEER_PLUGIN.*/#undef BENCH_PEER_VERSION\n#define BENCH_PEER_VERSION 77\n&/'
refuses "made for version 77 of logfile_bench_peer.h, and this program has 1: compile it again" --peer "$here/future.so"
make partial '/\.scan = scan/d; s/^static int scan/__attribute__((unused)) &/'
refuses "a member of its struct bench_peer is missing" --peer "$here/partial.so"
make words 's/= "append"/= "two words"/'
refuses "its name 'two words' is not one word" --peer "$here/words.so"
make ring 's/= "append"/= "ring"/'
refuses "another variant is called ring" --engine ring --peer "$here/ring.so"
refuses "another variant is called append" --peer "$here/append.so,$here/append.so"
refuses "not together with --ladder" --ladder --peer "$here/append.so"
refuses "--window: not together with append, which has no submit" --peer "$here/append.so" --window 2
refuses "other stores are measured durable" --peer "$here/append.so" --sync none
refuses "needs files" --peer "$here/append.so" --device null

if [ $failures -gt 0 ]; then
    echo "$failures checks failed"
    exit 1
fi
echo "all checks passed"
