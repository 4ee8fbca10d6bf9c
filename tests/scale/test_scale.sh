#!/bin/sh
# SPDX-License-Identifier: MIT
# logfile-scale: what it refuses; that it finds what textbooks say of locks, and what is built into it on
# purpose; that nothing is lost, and nothing is left to chance.
set -u

: "${LOGFILE_SCALE:?names the program}"
if [ ! -x "$LOGFILE_SCALE" ]; then
    echo "logfile-scale is not built here"
    exit 77
fi
if ! command -v python3 >/dev/null; then
    echo "python3 is missing"
    exit 77
fi
source=$(cd "${srcdir:-.}" && pwd)
machines=$source/bench/scale/machines
here=$(mktemp -d ./test-scale-XXXXXX) || exit 1
trap 'rm -rf "$here"' EXIT
trap 'exit 1' HUP INT TERM
here=$(cd "$here" && pwd)
cd "$here" || exit 1

failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# ---- What it refuses ----

# refuses TEXT ARGUMENT...: one line that has TEXT, exit 64.
refuses() {
    expected=$1
    shift
    "$LOGFILE_SCALE" "$@" >stdout 2>stderr
    status=$?
    [ $status -eq 64 ] || fail "$*: exit $status, not 64"
    [ "$(wc -l <stderr)" -eq 1 ] || fail "$*: not one line: $(cat stderr)"
    grep -qF -e "$expected" stderr || fail "$*: '$expected' not in: $(cat stderr)"
}

flat=$machines/flat-256.machine
refuses "logfile-scale: --machine is missing"
refuses "none.machine: No such file or directory" --machine none.machine
refuses '"rest" is too much' --machine "$flat" rest
refuses '--processors: "0" is not a number from 1 to 256' --machine "$flat" --processors 0
refuses '--toy: "pawn" is not known' --machine "$flat" --toy pawn
refuses '--engine: only ring, mutex and serial' --machine "$flat" --engine sqlite
refuses '--device: "disk" is not null, file or delay:US' --machine "$flat" --device disk
refuses '--set: "pace_ns" is no cost' --machine "$flat" --set pace_ns=1


# bad TEXT SED: a machine whose file is changed so.
bad() {
    sed -e "$2" "$flat" >bad.machine
    refuses "$1" --machine bad.machine
}
at=$(grep -n '^rmw_ns' "$flat" | cut -d: -f1)
bad "bad.machine:$at: rmw_ns: \"fast\" is not a number" 's/^rmw_ns = [0-9.]*/rmw_ns = fast/'
bad "bad.machine:$at: rmw_ns: -1 is not from 0 to 1000" 's/^rmw_ns = [0-9.]*/rmw_ns = -1/'
bad "bad.machine:$at: \"rnw_ns\" is no cost" 's/^rmw_ns/rnw_ns/'
bad "bad.machine:$at: \"rmw_ns 6\" is not key = value" 's/^rmw_ns = 6.*/rmw_ns 6/'
bad "rmw_ns is missing" '/^rmw_ns/d'
bad "rmw_ns is given twice" '/^rmw_ns/p'
bad "no distance covers all 256 processors" 's/^within 256/within 128/'
bad "within 100: not a multiple of 64, which is nearer" 's/^within 256.*/within 64 = 10\nwithin 100 = 20/'
bad "processors: 257 is not from 1 to 256" 's/^processors.*/processors = 257/'
bad "processors: 2.5 is not a whole number" 's/^processors.*/processors = 2.5/'
bad "request_percent and data_percent are more than 100 together" 's/^request_percent.*/request_percent = 80/'
bad "row 1 comes after row -1" 's/^within.*/row 1 = 0 1/'
bad "row 0 has 2 numbers, and the machine 256 processors" 's/^within.*/row 0 = 0 1/'
bad "1 rows, and 2 processors" \
    's/^processors.*/processors = 2/; s/^node_p.*/node_processors = 2/; s/^within.*/row 0 = 0 1/'

# A run that fails says why, and the program goes on with the next.
"$LOGFILE_SCALE" --machine "$flat" --processors 4 --nodes 3 >stdout 2>stderr
[ $? -eq 1 ] || fail "4 processors on 3 nodes do not fail"
grep -q "has no 4 processors on 3 of its nodes" stderr || fail "4 processors on 3 nodes: $(cat stderr)"

# ---- Runs ----

# run NAME ARGUMENT...: appends to NAME.json.
run() {
    name=$1
    shift
    "$LOGFILE_SCALE" --json "$name.json" "$@" >stdout 2>stderr || fail "$*: exit $?: $(cat stderr)"
}

# The owner does not use a line while its probe is under way, and a writer has nothing else to do: what is
# left is what textbooks count.
textbook="--own-ns 0 --set request_percent=50 --set data_percent=50 --records 4000"
run toys --machine "$flat" $textbook --processors 2,4,16,64 --toy faa,ticket,mcs,mutex,private,false
run turns --machine "$flat" $textbook --processors 2 --toy turns
run hold --machine "$flat" --own-ns 0 --records 4000 --processors 2 --toy faa
run near --machine "$flat" $textbook --processors 16 --toy faa
sed -e 's/^within 256.*/within 256 = 120/' "$flat" >far.machine
run far --machine far.machine $textbook --processors 16 --toy faa
{
    echo "processors = 3"
    echo "row 0 = 0 10 90"
    echo "row 1 = 10 0 90"
    echo "row 2 = 90 90 0"
    sed -e '/^processors/d; /^within/d; s/^node_processors.*/node_processors = 2/' "$flat"
} >rows.machine
run rows2 --machine rows.machine $textbook --processors 2 --toy faa
run rows3 --machine rows.machine $textbook --processors 3 --toy faa

# The log: every engine and way to reserve, to wait and to be asked.
run log --machine "$flat" --processors 4 --writers 1x,4x --engine ring,mutex,serial \
    --reserve faa,cas,ticket,mcs,mutex --window 1,32 --records 1500
run others --machine "$flat" --processors 4 --window 32 --batch 8 --records 4000
run others --machine "$flat" --processors 4 --clients 64 --records 4000
run others --machine "$flat" --processors 4 --device file --rate 20000 --writers 8x --records 4000
run others --machine "$flat" --processors 4 --logs 4 --window 32 --records 4000
for flusher in hybrid sequencer leader; do
    run others --machine "$flat" --processors 4 --flusher $flusher --wait block --records 1000
done
# More threads than processors, of which some spin, and lines that two threads of a processor look at.
run others --machine "$machines/nodes-2x128.machine" --processors 8 --nodes 2 --window 64 --records 12000 \
    --reserve ticket,mcs
run shards --machine "$flat" --processors 16 --window 32 --records 8000 --shards 1
run shards --machine "$flat" --processors 16 --window 32 --records 8000 --shards 16
run devices --machine "$flat" --processors 2 --engine serial --device file --records 500
run devices --machine "$flat" --processors 2 --engine serial --device file --records 500 \
    --set sync_ns=35000
run devices --machine "$flat" --processors 2 --engine serial --device delay:200 --records 500
run devices --machine "$flat" --processors 2 --engine serial --device delay:200 --records 500 \
    --set timer_ns=40000 --set timer_slack_ns=0
run devices --machine "$flat" --processors 2 --engine serial --device delay:200 --records 500 \
    --set timer_ns=40000 --set timer_slack_ns=90000
run chance1 --machine "$flat" --processors 8 --window 1,16 --engine ring,mutex --records 2000
run chance2 --machine "$flat" --processors 8 --window 1,16 --engine ring,mutex --records 2000
run chance3 --machine "$flat" --processors 8 --window 1,16 --engine ring,mutex --records 2000 --seed 2
for machine in "$machines"/*.machine; do
    run machines --machine "$machine" --processors 2 --records 500
done

# Names: of machines, of designs, and of what both programs write.
sed -e 's/^name = .*/name = a "machine" \\ of two/' "$machines/dev-2.machine" >named.machine
run labels --machine named.machine --records 500 --engine ring,mutex
run labels --machine named.machine --records 500 --reserve faa,cas
run labels --machine named.machine --records 500 --shards 16 --flusher leader --wait spin --variant wake_tree
run labels --machine named.machine --records 500 --toy faa
"$(dirname "$LOGFILE_SCALE")/logfile-bench" --dir . --device null --engine ring,mutex --writers 2 --size 512 \
    --records 500 --json measured.json >stdout 2>stderr || fail "logfile-bench: exit $?: $(cat stderr)"

python3 "$source/tests/scale/check_scale.py" "$source" || failures=$((failures + 1))

# ---- scripts/check-scale ----

check="$source/scripts/check-scale"
"$check" compare none.json --build "$(dirname "$LOGFILE_SCALE")" --machine "$flat" >stdout 2>stderr
[ $? -eq 64 ] || fail "check-scale takes a file that is not there"
echo '{"check_scale":0}' >other.json
"$check" machine other.json >stdout 2>stderr
[ $? -eq 64 ] || fail "check-scale takes a file of another version"
grep -q "not written by check-scale measure" stderr || fail "another version: $(cat stderr)"
"$check" machine "$source/bench/scale/measured/dev-2.json" >made.machine || fail "check-scale machine: exit $?"
run made --machine made.machine --window 16 --records 1000
# Of a machine that was so busy that floors are beyond what is simulated.
sed -e 's/"\(ns_per_op\|late_ns\|runs_ns\)":\([0-9]*\)/"\1":\200000/g' "$source/bench/scale/measured/dev-2.json" >busy.json
"$check" machine busy.json >busy.machine || fail "check-scale machine: exit $?"
run busy --machine busy.machine --records 100
cell='{"engine":"%s","writers":1,"records_per_s":5000,"device":{"kind":"delay"},"processors":1,'
cell=$cell'"options":{"window":1,"reserve":"faa"}}'
# shellcheck disable=SC2059
printf "{\"check_scale\":1,\"machine\":{},\"floors\":[],\"runs\":[$cell,$cell]}" ring serial >two.json
"$check" compare two.json --build "$(dirname "$LOGFILE_SCALE")" --machine "$flat" >stdout 2>stderr ||
    fail "check-scale compare: exit $?: $(cat stderr)"
# Two syncs of 200 us in 400 us: a cell each, within 20 % of 5,000/s.
grep -Eq '^delay +1 +2 +0\.9[0-9]|^delay +1 +2 +1\.0' stdout || fail "check-scale compare: $(cat stdout)"

# One command, one file to be sent back, and one page of both.
build=$(dirname "$LOGFILE_SCALE")
"$check" confirm --build "$build" --out mine.json --processors 1 --seconds 0.05 --rounds 1 --records 2000 \
    >stdout 2>stderr || fail "check-scale confirm: exit $?: $(cat stderr)"
grep -q '^cannot tell: ring/faa with windows does not go on growing: there are not 16 processors' stdout ||
    fail "check-scale confirm judges what it cannot know: $(cat stdout)"
# All 30 cells, but those in which a busy machine made no record.
cells=$(sed -n 's/^[a-z]*: [0-9]* of \([0-9]*\) cells are off.*/\1/p' stdout)
[ "${cells:-0}" -ge 20 ] && [ "$cells" -le 30 ] || fail "confirm: $(cat stdout)"
"$check" machine mine.json >mine.machine && run remade --machine mine.machine --processors 1 --records 500
"$check" overlay mine.json --out both.json >stdout 2>stderr || fail "check-scale overlay: exit $?: $(cat stderr)"
"$source/scripts/bench-report" both.json -o both.html >stdout 2>stderr || fail "bench-report: $(cat stderr)"
grep -q 'Simulated: ' both.html || fail "the page shows nothing that was simulated"
python3 - "$cells" <<'END' || fail "check-scale overlay: measured and simulated cells differ"
import json, sys
with open("both.json", encoding="utf-8") as file:
    lines = [json.loads(line) for line in file]
cells = [{(line["device"]["kind"], line["writers"], line["options"]["window"], line["engine"], line["options"]["reserve"])
          for line in lines if bool(line.get("simulated")) == simulated} for simulated in (False, True)]
assert cells[0] == cells[1] and len(cells[0]) == int(sys.argv[1]), cells
END
"$check" overlay two.json --out none.json >stdout 2>stderr
[ $? -eq 64 ] || fail "check-scale makes a page of a file in which nothing is simulated"
grep -q "two.json: nothing in it is simulated" stderr || fail "nothing simulated: $(cat stderr)"
# What would refute the page does.
python3 - "$check" <<'END' || fail "check-scale judges wrongly"
import importlib.machinery, importlib.util, os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(sys.argv[1]))
loader = importlib.machinery.SourceFileLoader("check_scale_script", sys.argv[1])
script = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
loader.exec_module(script)
grows = {8: 20e6, 16: 25e6, 64: 31e6}
assert script.judge_growth(grows, "it", lambda change: change > 1.5)[0] == "refuted"
assert script.judge_growth({8: 20e6, 64: 21e6}, "it", lambda change: change > 1.5)[0] == "confirmed"

def run(kind, rate):
    return {"device": {"kind": kind}, "processors": 1, "writers": 4, "options": {"window": 1, "reserve": "faa"},
            "engine": "ring", "records_per_s": rate}
cells = script.cells_of([run("null", 5), run("null", 7), run("delay", 0)])
assert list(cells.values()) == [6.0], cells
assert script.judge_growth({8: 20e6, 12: 60e6}, "it", lambda change: change > 1.5)[0] == "cannot tell"
assert script.judge_growth({16: 20e6}, "it", lambda change: change > 1.5)[0] == "cannot tell"
assert script.judge_cells({"a": 10.0}, {"a": {"records_per_s": 4.0}})[0] == "refuted"
assert script.judge_cells({"a": 10.0}, {"a": {"records_per_s": 6.0}})[0] == "confirmed"
END
[ $failures -eq 0 ] || exit 1
