#!/bin/sh
# SPDX-License-Identifier: MIT
# scripts/scaling-model: what it refuses, the arithmetic of a model whose costs are round numbers,
# and that what it measures is what it can predict from.
set -u

: "${LOGFILE_BENCH:?names the program}"
if ! command -v python3 >/dev/null; then
    echo "python3 is missing"
    exit 77
fi
source=$(cd "${srcdir:-.}" && pwd)
model=$source/scripts/scaling-model
build=$(dirname "$LOGFILE_BENCH")
here=$(mktemp -d ./test-scaling-model-XXXXXX) || exit 1
trap 'rm -rf "$here"' EXIT
trap 'exit 1' HUP INT TERM
here=$(cd "$here" && pwd)
cd "$here" || exit 1

failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

run_model() {
    "$model" "$@" >stdout 2>stderr
    status=$?
}

# refuses TEXT ARGUMENT...: one line that has TEXT, exit 2.
refuses() {
    expected=$1
    shift
    run_model "$@"
    [ $status -eq 2 ] || fail "$*: exit $status, not 2"
    [ "$(wc -l <stderr)" -eq 1 ] || fail "$*: not one line: $(cat stderr)"
    grep -q "^scaling-model: " stderr || fail "$*: the line does not name the program"
    grep -qF -e "$expected" stderr || fail "$*: '$expected' not in: $(cat stderr)"
    [ ! -s stdout ] || fail "$*: wrote to standard output"
}

succeeds() {
    run_model "$@"
    [ $status -eq 0 ] || fail "$*: exit $status: $(cat stderr)"
}

# says LINE: of the last output, as it stands there.
says() {
    grep -qxF -e "$1" stdout || fail "not said: $1
$(cat stdout)"
}

# ---- Costs that can be reckoned with by hand ----
# One core hands a line to the other in 100 ns; a flush takes 100 us whatever its bytes; a record
# takes 1 us and an epoch 10 us besides; a wake call 1 us for each, a hop 6 us, a switch 4 us.

atomic() {
    echo "{\"floor\":\"atomic\",\"how\":\"$1\",\"threads\":$2,\"pinned\":true,\"ns_per_op\":$3$4},"
}

result() {
    printf '{"engine":"%s","writers":%s,"size_bytes":%s,"records_per_s":%s,"device":%s' "$1" "$2" \
        "$3" "$4" "$5"
    printf ',"options":{"window":%s,"checksum":"%s"%s}}%s\n' "$6" "$7" "$8" "${9-}"
}

null='{"kind":"null"}'
{
    echo '{"scaling_model":1,"machine":{"hardware_threads":2,"numa_nodes":1},"measured":['
    for how in faa cas ticket mcs mutex; do
        atomic $how 1 10 ""
        atomic $how 2 50 ""
    done
    atomic private 1 10 ""
    atomic clock 1 20 ""
    atomic copy 1 30 ',"bytes":512'
    atomic turns 2 100 ',"place":"near"'
    atomic wake 1 1000 ""
    atomic wake 64 1000 ""
    for engine in ring mutex; do
        for checksum in full header; do
            result $engine 1 512 1000000 "$null" 1024 $checksum "" ,
        done
    done
    for engine in ring mutex serial; do
        result $engine 1 512 90909.0909 "$null" 1 full "" ,
    done
    echo '{"floor":"wake","threads":1,"groups":1,"wakes_per_s":83333.3333},'
    echo '{"floor":"wake","threads":256,"groups":2,"wakes_per_s":500000},'
    echo '{"floor":"depth","depth":1,"bytes":4096,"flushes_per_s":10000},'
    echo '{"floor":"depth","depth":1,"bytes":1048576,"flushes_per_s":10000}]}'
} >costs.json

# serial: 100 + 10 + 1 us.  One writer of ring: the same.  Four: the last one runs after 3 wake calls,
# 6 - 1 us of a hop and its own record, 9 us; the processors need 4 x 5 / 2 = 10 us; so 120 us for 4.
# mutex: 1 + 3/2 records in 100 + 10 + 1 us and 3 us of wake calls.
{
    for writers in 1 4; do
        for engine in serial ring mutex; do
            result $engine $writers 512 9009.009 '{"kind":"file"}' 1 full ',"reserve":"faa"'
        done
    done
    result ring 4 512 200000 '{"kind":"delay","delay_us":190}' 1 full ',"wait":"adaptive"'
    # In windows of 1,000, one thread: 1,000 us to fill, then 100 + 10 us.
    result ring 1 512 900900.9 '{"kind":"file"}' 1000 full ""
    # Two threads: 200 ns more for each record, which the head's line and a counter's take to come.
    result ring 2 512 100000 "$null" 1000 full ""
} >results.json
succeeds check costs.json results.json --markdown
says "<!-- model:begin check -->"
says "| file | 1 | 512 B | serial | 1 | 9.01 k | 9.01 k | 1.00 | device |"
says "| file | 1 | 512 B | ring | 1 | 9.01 k | 9.01 k | 1.00 | device |"
says "| file | 1 | 512 B | ring | 4 | 9.01 k | 33.3 k | 0.27 | device |"
says "| file | 1 | 512 B | mutex | 4 | 9.01 k | 21.9 k | 0.41 | device |"
says "| delay:190 | 1 | 512 B | ring | 4 | 200 k | 19 k | 10.50 | device |"
says "| file | 1000 | 512 B | ring | 1 | 901 k | 901 k | 1.00 | processors |"
says "| null | 1000 | 512 B | ring | 2 | 100 k | 1.65 M | 0.06 | processors |"

# Rounds become their median; what is not modelled, and floors, are left out and counted.
{
    for measured in 9009.009 1 99999999; do
        result serial 1 512 $measured '{"kind":"file"}' 1 full ""
    done
    result rocksdb 1 512 1 '{"kind":"file"}' 1 full ""
    result ring 1 512 1 '{"kind":"file"}' 1 full ',"flusher":"leader"'
    echo '{"floor":"sync","how":"fdatasync","syncs_per_s":1}'
} >rounds.json
succeeds check costs.json rounds.json --markdown
says "| file | 1 | 512 B | serial | 1 | 9.01 k | 9.01 k | 1.00 | device |"
[ "$(grep -c '^| file' stdout)" -eq 1 ] || fail "one cell: $(cat stdout)"
grep -q '^scaling-model: 2 results are of kinds' stderr || fail "left out: $(cat stderr)"

# On 8 cores of 2 nodes a line takes (100 + 300) / 2 ns, and 8 threads wait for it 8 x 1,024 times;
# then 1 + 10 us of a flush and 6 us of a hop.
succeeds predict costs.json --cores 8 --nodes 2 --near-ns 100:100 --far-ns 300:300 --sync-us 1 \
    --markdown
says "<!-- model:begin window-1us -->"
grep '^| 8 | 2 | 8 |' stdout | tail -n 1 | grep -qF '4.95 M: head line' ||
    fail "the head's line: $(cat stdout)"
succeeds predict costs.json --cores 8,64 --nodes 1,16
[ "$(grep -cE '^(8|64) +(1|16) ' stdout)" -eq 6 ] || fail "machines: $(cat stdout)"

# ---- The page ----

{
    echo "before"
    for name in inputs check append window append-20us; do
        printf '<!-- model:begin %s -->\nold\n<!-- model:end -->\nbetween\n' $name
    done
} >page.md
succeeds update page.md costs.json results.json
grep -qx old page.md && fail "update left an old table"
[ "$(grep -c '^between$' page.md)" -eq 5 ] || fail "update changed what is no table"
[ "$(grep -c '^|---|' page.md)" -eq 5 ] || fail "update wrote too few tables: $(cat page.md)"
cp page.md again.md
succeeds update again.md costs.json results.json
cmp -s page.md again.md || fail "updating twice is not the same as once"

# ---- What it refuses ----

echo '{"scaling_model":1,"machine":{"hardware_threads":2,"numa_nodes":1},"measured":[]}' >empty.json
echo '{"scaling_model":1,"machine":{}}' >damaged.json
echo 'not json' >text.json
echo '{"floor":"sync"}' >floors.json
result rocksdb 1 512 1 '{"kind":"file"}' 1 full "" >peers.json
printf '<!-- model:begin other -->\n<!-- model:end -->\n' >unknown.md
printf '<!-- model:begin check -->\n' >endless.md
refuses "measure, predict, check or update?"
refuses "invalid choice" guess
refuses "required: costs" predict
refuses "unrecognized arguments" predict costs.json --wurst
refuses "missing.json: No such file" predict missing.json
refuses "not JSON" predict text.json
refuses "not written by scaling-model measure" predict floors.json
refuses "the costs lack floor_atomic private 1" predict empty.json
refuses "damaged" predict damaged.json
refuses "'0' is not a whole number above 0" predict costs.json --cores 8,0
refuses "no node would have 4 cores" predict costs.json --cores 8 --nodes 8
refuses "'9' is not LOW:HIGH" predict costs.json --near-ns 9
refuses "'9:3' is not LOW:HIGH" predict costs.json --far-ns 9:3
refuses "'nan' is not a number above 0" predict costs.json --sync-us nan
refuses "text.json:1: not JSON" check costs.json text.json
refuses "no result of logfile-bench" check costs.json floors.json
refuses "none of its 1 results is of a kind that is modelled" check costs.json peers.json
refuses "no table is called 'other'" update unknown.md costs.json results.json
refuses "no tables between markers" update endless.md costs.json results.json
refuses "no logfile-bench in it" measure --build "$here" --dir . --out new.json
[ ! -e new.json ] || fail "a refused run left its file"

# ---- What it measures ----

if [ ! -x "$LOGFILE_BENCH" ] || [ ! -x "$build/bench/floor_atomic" ]; then
    echo "the floors were not built: hwloc is missing"
    [ $failures -eq 0 ] && exit 77
    exit 1
fi
refuses "not a folder that can be written to" measure --build "$build" --dir missing --out new.json
refuses "not a file that can be written" measure --build "$build" --dir . --out missing/new.json
refuses "'0' is not a whole number" measure --build "$build" --dir . --out new.json --rounds 0

"$build/bench/floor_atomic" wurst 1 1 >stdout 2>stderr
[ $? -eq 64 ] || fail "floor_atomic took an unknown step"
"$build/bench/floor_atomic" turns 1024 1 >stdout 2>stderr
[ $? -eq 64 ] || fail "floor_atomic took more turns than processors"

mkdir logs
succeeds measure --build "$build" --dir logs --out measured.json --seconds 0.2 --rounds 1
[ -z "$(ls -A logs)" ] || fail "left behind: $(ls -A logs)"
succeeds predict measured.json
grep -qE '^reserving by mcs, 1.* ns ' stdout || fail "inputs: $(cat stdout)"
"$LOGFILE_BENCH" --dir logs --device null --engine ring,mutex,serial --writers 1,2 --records 200 \
    --json bench.json >stdout 2>stderr || fail "logfile-bench: $(cat stderr)"
succeeds check measured.json bench.json --markdown
[ "$(grep -c '^| null | 1 | 512 B |' stdout)" -eq 6 ] || fail "not six cells: $(cat stdout)"

if [ $failures -gt 0 ]; then
    echo "$failures checks failed"
    exit 1
fi
echo "all checks passed"
