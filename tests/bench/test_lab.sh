#!/bin/sh
# SPDX-License-Identifier: MIT
# logfile-bench --lab: the examples of an engine and of a reservation policy are measured and read back, and
# what is neither, or was made of other sources, is refused in one line.
set -u

. "${srcdir:-.}/tests/bench/bench_test.sh"
build=$(dirname "$LOGFILE_BENCH")
objects=${LAB_OBJECTS:-$build/.libs/liblogfile-internal.a}
needs_compiler
if "$build/libtool" --config | grep -qx 'build_libtool_libs=no'; then
    echo "this build has no objects for shared libraries: --disable-shared"
    exit 77
fi
begin lab

# compile NAME OBJECTS [FLAG...]: NAME.c as NAME.so.
compile() {
    name=$1 with=$2
    shift 2
    # shellcheck disable=SC2086 # flags, and the compiler with its own
    $compiler -shared -fPIC -O2 -D_GNU_SOURCE -Wall -Wextra -Werror ${LAB_CFLAGS-} "$@" \
        -I "$source/src" -I "$source/include" -o "$here/$name.so" "$here/$name.c" $with ||
        fail "$name does not compile"
}

# make NAME EXAMPLE [SED-EXPRESSION [FLAG...]]: the example, changed, as NAME.so.
make() {
    name=$1 example=$2 change=${3-}
    shift 2
    [ $# -eq 0 ] || shift
    sed "$change" "$source/docs/examples/$example.c" >"$here/$name.c"
    compile "$name" "$objects" "$@"
}

# in_json KEY: what it is in the lines of the last run, each once, sorted.
in_json() {
    sed -n "s/.*\"$1\":\\([^,]*\\),.*/\\1/p" "$here/json" | tr -d '"' | sort -u | tr '\n' ' ' | sed 's/ $//'
}

# expect WHAT FOUND EXPECTED
expect() {
    [ "$2" = "$3" ] || fail "$1: '$2', not '$3'"
}

make queue queue_engine
make fas fas_reserve

# Beside the others, each under its own name; every record is read back.
for how in "--size 600" "--size-range 0:9000" "--window 8" "--rate 500" "--clients 9" "--segment-bytes 1M --slot-bytes 16K" \
    "--size 4K --writers 3,1"; do
    # shellcheck disable=SC2086 # options and their values
    bench --engine ring,mutex --lab "$here/queue.so,$here/fas.so" --reserve faa,mutex --writers 3 --records 20 $how \
        --json "$here/json"
    [ $status -eq 0 ] || fail "$how: exit $status: $(cat "$here/out/stderr")"
    expect "$how: engines" "$(in_json engine)" "mutex queue ring"
    expect "$how: variants" "$(in_json variant)" "mutex queue ring/faa ring/fas ring/mutex"
    expect "$how: policies" "$(in_json reserve)" "faa fas mutex null"
    grep -q '^{"engine":"ring","variant":"ring/fas",.*"reserve":"fas"' "$here/json" || fail "$how: $(cat "$here/json")"
    grep -q '^{"engine":"queue","variant":"queue",.*"settings":null' "$here/json" || fail "$how: $(cat "$here/json")"
    assert_nothing_left "$how"
done
grep -q '^ *3  queue ' "$here/out/stdout" || fail "the table: $(cat "$here/out/stdout")"

# A policy stands in --reserve, and is crossed with the other factors; an engine comes after all others.
bench --engine ring,serial --lab "$here/fas.so,$here/queue.so" --shards 1,8 --wait block,spin --writers 2 --records 5 \
    --stages 1 --json "$here/json"
[ $status -eq 0 ] || fail "crossed: exit $status: $(cat "$here/out/stderr")"
expect "crossed" "$(in_json variant)" "queue \
ring/faa/1-shard/block ring/faa/1-shard/spin ring/faa/8-shard/block ring/faa/8-shard/spin \
ring/fas/1-shard/block ring/fas/1-shard/spin ring/fas/8-shard/block ring/fas/8-shard/spin serial"
expect "the order" "$(sed -n 's/.*"variant":"queue","variant_index":\([0-9]*\),.*/\1/p' "$here/json")" 9
(cd "$here" && "$LOGFILE_BENCH" --lab fas.so --engine ring --writers 2 --records 5 --dir logs) >"$here/out/stdout" 2>&1 ||
    fail "a name without a slash: $(cat "$here/out/stdout")"
bench --check --lab "$here/queue.so"
[ $status -eq 0 ] || fail "--check: exit $status: $(cat "$here/out/stderr")"
for device in null delay:50; do
    bench --engine ring --lab "$here/queue.so,$here/fas.so" --device $device --window 16 --writers 2 --records 200
    [ $status -eq 0 ] || fail "$device: exit $status: $(cat "$here/out/stderr")"
done

# What an engine loses is found out.
make loses queue_engine 's/^    cancel_state = lf_lock(&engine->lock);$/    static int calls;\n    if (++calls == 7)\n        return 0;\n&/'
bench --engine ring --lab "$here/loses.so" --writers 1 --records 20
[ $status -eq 1 ] || fail "a lost record: exit $status"
grep -q 'READ-BACK MISMATCH' "$here/out/stderr" || fail "a lost record: $(cat "$here/out/stderr")"
rm -rf "$here"/logs/*

# What is no engine and no policy.
refuses "No such file" --lab "$here/missing.so"
echo "not a library" >"$here/text.so"
refuses "not a shared object that can be loaded: " --lab "$here/text.so"
make bare fas_reserve '/^LF_LAB_RESERVE/d; s/^static const struct lf_reserve_policy/extern const struct lf_reserve_policy fas_reserve; const struct lf_reserve_policy/'
refuses "it has no lf_lab_plugin: end its source with LF_LAB_ENGINE(...) or LF_LAB_RESERVE(...)" --lab "$here/bare.so"
cp "$here/queue.c" "$here/unlinked.c"
compile unlinked ""
refuses "undefined symbol" --lab "$here/unlinked.so"
make partial queue_engine '/\.flush = flush/d; s/^static int flush/__attribute__((unused)) &/'
refuses "a member of its table is missing" --lab "$here/partial.so"
make half fas_reserve 's/^    LF_RESERVE_CALLS(fas),/    .reserve = reserve_by_fas, .reserve_known = reserve_known_by_fas,/; s/^LF_RESERVE_UNDER/__attribute__((unused)) static uint64_t swap_by_fas(struct lf_ring *ring, uint64_t word);\n&/'
refuses "a member of its table is missing" --lab "$here/half.so"
make words queue_engine 's/= "queue"/= "two words"/'
refuses "its name 'two words' is not one word" --lab "$here/words.so"

# What was made of other sources.
make future fas_reserve 's/^LF_LAB_RESERVE.*/#undef LOGFILE_VERSION_STRING\n#define LOGFILE_VERSION_STRING "99.0"\n&/'
refuses "made for logfile 99.0, and this program is of " --lab "$here/future.so"
mkdir -p "$here/other/ring"
sed 's/^    uint64_t hungry_left;/    uint64_t hungry_left, hungry_more[16];/' "$source/src/ring/ring.h" >"$here/other/ring/ring.h"
! cmp -s "$source/src/ring/ring.h" "$here/other/ring/ring.h" || fail "ring.h is not changed"
make sources fas_reserve 's/^LF_LAB_RESERVE.*/static const char of_others[] = "1 2";\n#define lf_lab_sources of_others\n&/'
refuses "made of other sources than this program: compile it again" --lab "$here/sources.so"
make layout queue_engine '' -I "$here/other"
refuses "made of other sources than this program" --lab "$here/layout.so"

# What does not go together.
make mutex queue_engine 's/= "queue"/= "mutex"/'
refuses "another engine is called mutex: give it another name" --engine ring --lab "$here/mutex.so"
make lmdb queue_engine 's/= "queue"/= "lmdb"/'
refuses "another engine is called lmdb" --lab "$here/lmdb.so"
make cas fas_reserve 's/= "fas"/= "cas"/'
refuses "another policy is called cas" --lab "$here/cas.so"
refuses "another engine is called queue" --lab "$here/queue.so,$here/queue.so"
refuses "another policy is called fas" --lab "$here/fas.so,$here/fas.so"
refuses "a policy of ring, which is not among the engines" --engine mutex --lab "$here/fas.so"
refuses "--lab: not together with --ladder" --ladder --lab "$here/queue.so"
refuses "--baseline: not together with --lab" --baseline "$LOGFILE_BENCH" --lab "$here/queue.so"
refuses "--lab: an empty name" --lab ""

# A policy may have the name of an engine, and an engine that of a policy.
make serial fas_reserve 's/= "fas"/= "serial"/'
make ticket queue_engine 's/= "queue"/= "ticket"/'
bench --engine ring,serial --lab "$here/serial.so,$here/ticket.so" --writers 2 --records 5 --json "$here/json"
[ $status -eq 0 ] || fail "names of the others: exit $status: $(cat "$here/out/stderr")"
expect "names of the others" "$(in_json variant)" "ring/faa ring/serial serial ticket"

if [ $failures -gt 0 ]; then
    echo "$failures checks failed"
    exit 1
fi
echo "all checks passed"
