#!/bin/sh
# SPDX-License-Identifier: MIT
# logfile-bench as its users see it: what it refuses, what it writes, what it leaves behind.
set -u

. "${srcdir:-.}/tests/bench/bench_test.sh"
begin bench-cli
manual=$source/docs/man/logfile-bench.1

# sort_results FILE: results by round, point and variant, as the table has them, whatever the order in which
# they were measured.
sort_results() {
    grep '"engine"' "$1" | awk 'function number(key) {
            return match($0, "\"" key "\":[0-9]+") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) : 0
        }
        { printf "%06d%06d%06d\t%s\n", number("round"), number("point_index"), number("variant_index"), $0 }' |
        sort -s -k1,1 | cut -f2-
}

# runs ARGUMENT...: succeeds, and leaves only the JSON file: results sorted, and as they came in $here/out/raw.
runs() {
    rm -f "$here/out/raw"
    bench "$@" --json "$here/out/raw"
    [ $status -eq 0 ] || fail "$*: exit $status: $(cat "$here/out/stderr")"
    sort_results "$here/out/raw" >"$here/out/json"
    assert_nothing_left "$*"
}

# value KEY LINE: of that result, at the top level: without what is nested.
value() {
    sed -n "$2{s/^[^{]*{\\(.*\\)/,\\1/;:nested;s/{[^{}]*}//;t nested;s/.*,\"$1\":\\([^,]*\\).*/\\1/p;}" \
        "$here/out/json"
}

# is KEY LINE VALUE
is() {
    found=$(value "$1" "$2")
    [ "$found" = "$3" ] || fail "result $2: $1 is '$found', not '$3'"
}

# holds EXPRESSION: arithmetic that awk finds true.
holds() {
    awk "BEGIN { exit !($1) }" || fail "$2: not $1"
}

# counts_up LINE: of that result the buckets hold every record, and every flush.
counts_up() {
    sed -n "$1{s/.*\"latency_histogram\":\\[\\(.*\\)\\],\"hdr\":.*,\"batch_histogram\":\\[\\([^]]*\\).*/\\1 \\2/p;}" \
        "$here/out/json" | awk -v records="$(value records "$1")" -v flushes="$(value flushes "$1")" '{
            buckets = split($1, latency, /[][,]+/)
            for (i = 2; i < buckets; i += 2) {
                if (i > 2 && latency[i] + 0 <= latency[i - 2] + 0) unsorted = 1
                found += latency[i + 1]
            }
            batches = split($2, batch, ",")
            for (i = 1; i <= batches; i++) { carried += batch[i]; least += batch[i] * 2 ^ (i - 1) }
            exit unsorted || found != records || carried != flushes || least > records
        } END { if (NR != 1) exit 1 }' || fail "result $1: histograms do not add up"
}

# nested OBJECT KEY LINE: of that result's object.
nested() {
    sed -n "$3{s/.*\"$1\":{\([^{}]*\)}.*/,\1/;s/.*,\"$2\":\([^,]*\).*/\1/p;}" "$here/out/json"
}

# all_of KEY: its values over all results, without quotes.
all_of() {
    sed -n "s/.*\"$1\":\"*\([^\",}]*\).*/\1/p" "$here/out/json" | tr '\n' ';'
}

# The keys of one JSON object per line that are not nested.
top_keys() {
    awk '{
        depth = 0; text = 0; keys = ""
        for (i = 1; i <= length($0); i++) {
            c = substr($0, i, 1)
            if (text) {
                if (c == "\\") { i++ } else if (c == "\"") {
                    text = 0
                    if (depth == 1 && substr($0, i + 1, 1) == ":") keys = keys " " word
                } else word = word c
            } else if (c == "\"") { text = 1; word = "" }
            else if (c == "{" || c == "[") depth++
            else if (c == "}" || c == "]") depth--
        }
        if (depth != 0 || text) print "unbalanced"
        print substr(keys, 2)
    }' "$1"
}

# ---- What it refuses ----

refuses "'foo' is not one of ring, mutex, serial, rocksdb, wiredtiger, lmdb, sqlite" --engine foo
refuses "'' is not one of" --engine ring,,mutex
many=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33
refuses "more than 32 entries: list fewer, or run it twice" --writers $many
refuses "more than 32 entries" --size $many
refuses "more than 32 entries" --window $many
refuses "'0' is not a number of writers" --writers 0
refuses "'x' is not a number of writers" --writers 1,x
refuses "listed twice" --writers 4,8,4
refuses "'-1' is not a whole number" --size -1
refuses "'12abc' is not a whole number" --size 12abc
refuses "'99999999999999999999' is not a whole number" --size 99999999999999999999
refuses "a record has at most" --size 8388608
refuses "'' is not a whole number" --size 512,
refuses "listed twice" --size 512,64,512
refuses "a record has at most" --size 64,8388608,512
refuses "a record has at most" --size-range 1:8190 --slot-bytes 8192
refuses "SMALLEST:LARGEST" --size-range 9:3
refuses "SMALLEST:LARGEST" --size-range 9
refuses "not together with --size" --size 9 --size-range 9:10
refuses "'0' is not a number" --seconds 0
refuses "'nan' is not a number" --seconds nan
refuses "'2h' is not a number of seconds, or a time such as 500ms or 1.5s, from 10 ms to 86400 s" --seconds 2h
refuses "'4KB' is not a whole number of bytes from 0 to 4294967295, such as 4096, 4K or 4KiB" --size 4KB
refuses "'99999999999999999G' is not a whole number of bytes" --segment-bytes 99999999999999999G
refuses "'fast' is not a number of records a second from 0.001 to 1e+09, such as 40000, 40k or 1.5M" \
    --rate fast
refuses "'5kk' is not a number of records a second" --rate 5kk
refuses "or 0.5x: that share of what each variant can do" --rate 0.5y
refuses "'100x' is not" --rate 1000,100x
refuses "listed twice" --rate 1000,1k
refuses "--rate: a share of what a variant can do needs --seconds" --rate 0.5x --records 10
refuses "--arrivals: only with --rate" --arrivals even
refuses "not one of poisson, even" --rate 5 --arrivals random
refuses "--think: not together with --rate" --rate 5 --think 5ms
refuses "--think: not together with --clients" --clients 100 --think 5ms
refuses "--think: not together with --preset readme" --think 5ms --preset readme
refuses "'2h' is not a number of microseconds" --think 2h
refuses "not one of ring, mutex, serial, rocksdb, wiredtiger, lmdb, sqlite; did you mean ring?" --engine rign
refuses "did you mean sequencer?" --flusher seq
bench --flusher x
grep -q 'did you mean' "$here/out/stderr" && fail 'x means nothing'
refuses "unknown option '--engin'; did you mean --engine?" --engin ring
refuses "unknown option '--second=4'; did you mean --seconds?" --second=4
refuses "unknown option '--s' (--help" --s 4
refuses "unknown option '--'" -- --help
refuses "10000 writers with records of 8000000 bytes need" --writers 10000 --size 8000000
refuses "lower --writers or --size" --writers 10000 --size 8000000
refuses "'0' is not a whole number" --records 0
refuses "not together with --seconds" --records 5 --seconds 5
refuses "'0' is not a whole number" --window 0
refuses "listed twice" --window 1,8,1
refuses "'0' is not a number" --rate 0
refuses "'0' is not a whole number" --stages 0
refuses "not together with --window" --stages 5 --window 1,2
refuses "'0' is not a whole number" --clients 0
refuses "--window: not together with --clients" --clients 8 --writers 2 --window 4
refuses "--rate: not together with --clients" --clients 8 --writers 2 --rate 5
refuses "--stages: not together with --clients" --clients 8 --writers 2 --stages 5
refuses "--clients: fewer than the writers" --clients 3 --writers 1,4
refuses "--clients: not together with --preset readme" --clients 64 --preset readme
refuses "not one of file, null, delay" --device disk
refuses "not one of file, null, delay" --device null:5
refuses "delay:NUMBER" --device delay
refuses "a delay is" --device delay:0
refuses "a delay is" --device delay:1.5us
refuses "a delay is" --device delay:11s
refuses "'spread' is not one of none, compact, scatter, node" --pin spread
refuses "--pin node:4000: this machine has" --pin node:4000
refuses "--pin" --pin list:0,4000
refuses "--pin-sequencer" --pin-sequencer near
refuses "--pin-sequencer" --pin-sequencer core:4000
refuses "--ring-memory" --ring-memory everywhere
refuses "--ring-memory" --ring-memory node:4000
refuses "not one of hybrid, sequencer, leader" --flusher hybrid,both
refuses "listed twice" --flusher leader,leader
refuses "not one of adaptive, block, spin" --wait long
refuses "listed twice" --wait spin,block,spin
refuses "not one of auto, direct, buffered" --io mmap
refuses "not one of fdatasync, dsync, none" --sync fsync
refuses "not one of zero, allocate, none" --prepare ones
refuses "not one of full, header" --checksum none
refuses "not one of faa, cas, ticket, mcs, mutex" --reserve spin
refuses "listed twice" --reserve cas,cas
refuses "3 is not a power of two" --shards 1,3
refuses "'0' is not a power of two from 1 to 256" --shards 0
refuses "'512' is not a power of two from 1 to 256" --shards 512
refuses "'core' is not a power of two" --shards core
refuses "listed twice" --shards cores,8,cores
refuses "more than 128 variants: shorten --reserve" --reserve faa,cas,ticket,mcs,mutex \
    --shards 1,2,4,8,16,32,64 --flusher hybrid,leader --gather on,off
refuses "not one of on, off" --gather maybe
refuses "not one of all, tree" --wake one
refuses "256000 runs" --repeat 1000 --size 1,2,3,4,5,6,7,8 --window ${many%,33} --engine ring --writers 1
for option in "--engine ring" "--reserve cas" "--shards 1" "--flusher leader" "--wait block" "--gather off" "--wake tree"; do
    # shellcheck disable=SC2086 # an option and its value
    refuses "not together with --ladder" --ladder $option
done
for option in "--reserve cas" "--shards 1" "--flusher leader" "--wait block" "--gather off" "--wake tree"; do
    # shellcheck disable=SC2086 # an option and its value
    refuses "${option% *}: ring is not among the engines" --engine mutex,serial $option
done
refuses "no value goes with '--ladder=2'" --ladder=2
refuses "the library refuses" --slot-bytes 12345
refuses "the library refuses" --segment-bytes 12345
refuses "'0' is not a whole number" --segment-bytes 0
refuses "'0' is not a whole number" --trim-keep 0
refuses "'0' is not a whole number" --written 0
refuses "not together with --device null" --device null --written 1000000
refuses "not together with --segment-bytes" --segment-bytes 1048576 --slot-bytes 65536 --written 1000000
refuses "not together with --preset readme" --preset readme --written 1000000
refuses "not together with another option" --probe . --size 9
refuses "No such file" --probe "$here/missing"
refuses "not a directory" --probe "$here/out/stdout"
refuses "not writable" --probe /proc
refuses "a value is missing after '--probe'" --probe
refuses "not one of readme" --preset other
refuses "not together with --preset readme" --preset readme --writers 3
refuses "--no-floors: not together with --floors" --floors --no-floors
refuses "'0' is not a whole number" --repeat 0
refuses "'1001' is not a whole number" --repeat 1001
refuses "'0' is not a whole number" --slices 0
refuses "--slices: not together with --repeat" --slices 3 --repeat 3
refuses "--slices: needs --seconds" --slices 3 --records 5
refuses "--slices: needs --seconds" --slices 3 --preset readme
refuses "--slices: not together with --baseline" --slices 3 --baseline "$LOGFILE_BENCH"
refuses "--slices: not together with --pin" --slices 3 --pin compact
refuses "logs that stay open may need" --slices 1000 --seconds 60 --size 1M --writers 64
refuses "unknown option '--wurst'" --wurst
refuses "unknown option '-w'" -w 3
refuses "a value is missing after '--size'" --size
refuses "not an option: 'ring'" ring
refuses "No such file" --dir "$here/missing"
refuses "not a directory" --dir "$here/out/stdout"
refuses "not writable" --dir /proc
refuses "No such file" --json "$here/missing/json"
refuses "one log may need" --records 1099511627776
refuses "one log may need" --engine ring --seconds 0.01 --window 16777216 --size 8000000 --writers 10
refuses "one log may need" --engine ring --seconds 60 --rate 1000000000 --size 4000
if [ "$(id -u)" -ne 0 ]; then
    mkdir "$here/closed"
    chmod 555 "$here/closed"
    refuses "not writable" --dir "$here/closed"
fi

refuses "--sync: none is not for comparison: other stores are measured durable" --sync none \
    --engine ring,sqlite

# Another store is refused with the name of its package, or, where it is built in, whatever it has not.
while read -r store package; do
    bench --engine $store --device null
    if grep -q "is not built in" "$here/out/stderr"; then
        refuses "apt-get install $package" --engine ring,$store
    else
        stores="${stores-} $store"
        refuses "not together with $store" --engine $store --device null
        refuses "not together with $store" --engine $store --window 1,2
        refuses "not together with $store" --engine $store --writers 1 --clients 2
        refuses "not together with $store" --engine $store --trim-keep 5
    fi
done <<END
rocksdb librocksdb-dev
wiredtiger libwiredtiger-dev
lmdb liblmdb-dev
sqlite libsqlite3-dev
END

# Something else is wrong, so the JSON file must not appear.
refuses "not writable" --json "$here/logs/json" --dir /proc

# A check refuses the same, and else says and leaves nothing, not even in results that are there.
refuses "one log may need" --check --records 1099511627776
refuses "not writable" --check --dir /proc
refuses "the library refuses" --check --slot-bytes 12345
refuses "--pin" --check --pin list:0,4000
refuses "No such file" --check --json "$here/missing/json"
refuses "not together with another option" --check --probe .
refuses "not together with another option" --probe . --check

# So does a memory cgroup, beyond whose limit a process is killed without a line.
limited=
for memory in /sys/fs/cgroup/memory /sys/fs/cgroup; do
    [ -z "$limited" ] && limited=$(mktemp -d "$memory/logfile-bench-XXXXXX" 2>/dev/null) || continue
    trap '[ -z "$limited" ] || rmdir "$limited"; rm -rf "$here"' EXIT
    for file in memory.limit_in_bytes memory.max; do
        [ ! -e "$limited/$file" ] || echo 268435456 >"$limited/$file"
    done
    if ! (echo 0 >"$limited/cgroup.procs") || ! grep -qsx 268435456 "$limited"/memory.*; then
        rmdir "$limited"
        limited=
    fi
done 2>"$here/out/cgroups"
if [ -n "$limited" ]; then
    unlimited=$LOGFILE_BENCH
    cat >"$here/out/limited-bench" <<END
#!/bin/sh
echo 0 >"$limited/cgroup.procs" && exec "$unlimited" "\$@"
END
    chmod +x "$here/out/limited-bench"
    LOGFILE_BENCH=$here/out/limited-bench
    refuses "the cgroup of this process is limited to 256" --writers 64 --size 8000000 --records 64
    refuses "the cgroup of this process is limited to 256" --check --writers 64 --size 8000000 --records 64
    bench --check --writers 1 --size 100 --records 16
    [ $status -eq 0 ] || fail "--check below the limit: exit $status: $(cat "$here/out/stderr")"
    LOGFILE_BENCH=$unlimited
else
    echo "a memory cgroup: not tried, none can be made"
fi

echo before >"$here/out/kept"
for json in "$here/out/kept" "$here/logs/new"; do
    bench --check --seconds 86400 --device null --pin compact --json "$json"
    [ $status -eq 0 ] || fail "--check: exit $status: $(cat "$here/out/stderr")"
    [ ! -s "$here/out/stdout" ] && [ ! -s "$here/out/stderr" ] || fail "--check says something"
    assert_nothing_left "--check"
done
[ "$(cat "$here/out/kept")" = before ] || fail "--check touched results"
bench --check --engine ring,mutex --seconds 2 --writers 1,4
[ $status -eq 0 ] || fail "--check on a file: exit $status: $(cat "$here/out/stderr")"
assert_nothing_left "--check on a file"

# ---- What it says about itself ----

bench --version
[ "$(wc -l <"$here/out/stdout")" -eq 2 ] && sed -n 2p "$here/out/stdout" | grep -qE '(gcc|clang) [0-9A-Z]' ||
    fail "--version: $(cat "$here/out/stdout")"
[ $status -eq 0 ] || fail "--version: exit $status"
grep -qE '^logfile-bench [0-9]+\.[0-9]+\.[0-9]+$' "$here/out/stdout" || fail "--version"
bench --device null -h
cp "$here/out/stdout" "$here/out/help"
[ $status -eq 0 ] || fail "-h: exit $status"
bench --help
cmp -s "$here/out/help" "$here/out/stdout" || fail "-h is not --help"
[ $status -eq 0 ] || fail "--help: exit $status"
options=$(sed -n 's/^  \(--.*\)/\1/p' "$here/out/stdout" | grep -oE -e '^--[a-z-]+|, --[a-z-]+' |
    tr -d ', ' | sort)
described=$(sed -n '/^\.TP/{n;s/\\-/-/g;s/^\.BI* \(--[a-z-]*\).*/\1/p;}' "$manual" | sort)
[ "$(echo "$options" | wc -l)" -ge 20 ] || fail "--help lists too few options: $options"
[ "$options" = "$described" ] || fail "--help and the manual page differ:
$options
-----
$described"

# ---- What it writes ----

keys="engine variant variant_index point_index rung order started_at writers size_bytes records seconds records_per_s bytes_per_s samples p50_us p90_us p99_us \
p999_us p99_9_us p99_99_us max_us flushes records_per_flush device_bytes_per_payload_byte cpu_us_per_record rss_bytes \
submit_ns context_switches_per_record system_calls_per_record latency_histogram hdr batch_histogram \
syncs device_bytes zero_fill_bytes inline_flushes sequencer_flushes overshoots wakeups waits_durable waits_flip \
waits_space waits_zero_fill gathers gather_timeouts late_publishes segments_made trims writes flush_ns flush_histogram \
write_ns write_histogram sync_ns sync_histogram append_commit_ns append_commit_histogram submit_commit_ns \
submit_commit_histogram late_publish_ns late_publish_histogram \
zero_fill_ns zero_fill_histogram zero_sync_ns zero_sync_histogram stages_us pressure capped fairness epochs_crossed load series perf device_delay_us settings placement machine filesystem device options bounds"

for device in file null; do
    runs --device $device --engine ring,mutex,serial --writers 1,3 --records 40 --size 600
    [ "$(wc -l <"$here/out/json")" -eq 6 ] || fail "$device: not one line for each run"
    [ "$(top_keys "$here/out/json" | sort -u)" = "$keys" ] ||
        fail "$device: keys are: $(top_keys "$here/out/json" | sort -u)"
    line=1
    for writers in 1 3; do
        for engine in ring mutex serial; do
            is engine $line "\"$engine\""
            is variant $line "\"$engine\""
            is rung $line null
            is submit_ns $line null
            is stages_us $line null
            counts_up $line
            is writers $line $writers
            is size_bytes $line 600
            is records $line $((writers * 40))
            holds "$(value flushes $line) >= 1 && $(value flushes $line) <= $writers * 40" "flushes"
            # Beyond p99 of 120 there are not ten.
            holds "$(value p50_us $line) > 0 && $(value p50_us $line) <= $(value max_us $line)" "percentiles"
            is samples $line $((writers * 40))
            is p99_us $line null
            [ $writers = 1 ] && is p90_us $line null
            holds "$(value device_bytes_per_payload_byte $line) > 1" "device bytes"
            holds "$(value rss_bytes $line) > 1000000" "resident set"
            [ $engine != serial ] || is flushes $line $((writers * 40))
            line=$((line + 1))
        done
    done
    is records_per_flush 6 1.000
    # What the log counted: each record of serial has a flush of its own, and blocks ahead are filled with zeros;
    # not in each run, which may be over before the thread that does it has had a processor.
    is writes 6 120
    [ $device = null ] || holds "$(value device_bytes 6) > $(value zero_fill_bytes 6)" "zeros"
    zeros=$(for line in 1 2 3 4 5 6; do value zero_fill_bytes $line; done | awk '{ sum += $1 } END { print sum }')
    [ $device = null ] || [ "$zeros" -gt 0 ] || fail "$device: nothing was filled with zeros"
    holds "$(value flush_ns 6) > 0 && $(value flush_ns 6) <= 1.01 * ($(value write_ns 6) + $(value sync_ns 6)) + 100" \
        "a flush is a write and a sync"
    flushes=$(sed -n '6{s/.*"flush_histogram":\[\[\([^"]*\)\]\],".*/\1/;s/\],\[/\n/g;p;}' "$here/out/json" |
        awk -F, '{ count += $2 } END { print count }')
    [ "$flushes" = 120 ] || fail "flush_histogram has $flushes flushes, not 120"
    grep -q 'vs mutex' "$here/out/stdout" || fail "$device: no table"
    [ "$(grep -cE '^ +[13]  (ring|mutex|serial) ' "$here/out/stdout")" -eq 6 ] ||
        fail "$device: not six rows: $(cat "$here/out/stdout")"
    [ "$(grep -cE '^ +[13]  mutex .* 1\.00x$' "$here/out/stdout")" -eq 2 ] ||
        fail "$device: mutex is not its own measure"
done
grep -q '"filesystem":null,"device":{"kind":"null"}' "$here/out/json" || fail "null device"

# Variants go through the rows of a Williams square, and points are shuffled; every run tells its place.
order_of_runs() {
    sed -n 's/.*"engine":"\([a-z]*\)".*"point_index":.*"started_at":[0-9.]*,"writers":\([0-9]*\).*"round":\([0-9]*\).*/\1\2-\3/p' "$here/out/raw" |
        tr '\n' ' '
}
runs --device null --engine ring,serial --writers 2 --records 20 --repeat 3
[ "$(order_of_runs)" = "ring2-1 serial2-1 serial2-2 ring2-2 ring2-3 serial2-3 " ] ||
    fail "order of rounds: $(order_of_runs)"
runs --device null --engine ring,mutex,serial --writers 2 --records 20 --repeat 6
[ "$(order_of_runs)" = "ring2-1 mutex2-1 serial2-1 serial2-2 mutex2-2 ring2-2 mutex2-3 serial2-3 ring2-3 \
ring2-4 serial2-4 mutex2-4 serial2-5 ring2-5 mutex2-5 mutex2-6 ring2-6 serial2-6 " ] ||
    fail "order of rounds: $(order_of_runs)"
shuffled=
for seed in 1 2 3 4 5; do
    runs --device null --engine ring,serial --writers 1,2,3,4 --records 5 --repeat 4 --seed $seed
    [ "$(sed -n 's/.*"order":\([0-9][0-9]*\),.*/\1/p' "$here/out/raw" | tr '\n' ' ')" = "$(seq 0 31 | tr '\n' ' ')" ] ||
        fail "order: $(sed 's/.*"order":\([0-9]*\).*/\1/' "$here/out/raw" | tr '\n' ' ')"
    # The two runs of a point are neighbours, and each variant comes first in half of the rounds.
    order_of_runs | tr ' ' '\n' | awk '
        /^$/ { next }
        NR % 2 == 1 { first = cell = $0; sub(/^[a-z]*/, "", first); sub(/-[0-9]*$/, "", cell); firsts[cell]++ }
        NR % 2 == 0 { sub(/^[a-z]*/, ""); if ($0 != first) exit 1 }
        END { for (cell in firsts) { cells++; if (firsts[cell] != 2) exit 1 }; exit cells != 8 }' || fail "order: not balanced: $(order_of_runs)"
    shuffled="$shuffled$(order_of_runs)
"
done
[ "$(echo "$shuffled" | sort -u | grep -c .)" -ge 2 ] || fail "order: the seed does not shuffle points"
awk '/"started_at"/ { now = $0; sub(/.*"started_at":/, "", now); if (now + 0 < before || now < 1.7e9) exit 1; before = now + 0 }' \
    "$here/out/raw" || fail "started_at does not ascend"

# The same engine again is a variant of its own, so that it shows what differs by chance alone.
runs --device null --engine ring,mutex,ring,ring --writers 2 --records 20
[ "$(all_of variant)" = "ring;mutex;ring#2;ring#3;" ] || fail "A/A: $(all_of variant)"
[ "$(all_of engine)" = "ring;mutex;ring;ring;" ] || fail "A/A: $(all_of engine)"
runs --device null --engine ring,ring --reserve faa,cas --writers 2 --records 20
[ "$(all_of variant)" = "ring/faa;ring/cas;ring/faa#2;ring/cas#2;" ] || fail "A/A: $(all_of variant)"
grep -q ' vs ring/faa$' "$here/out/stdout" || fail "A/A: no ratio to the first"

# Variants: a label says what differs from the others, or from the default.
runs --device null --engine ring,mutex --writers 2 --records 20 --reserve faa,cas --shards 1,8
[ "$(all_of variant)" = \
    "ring/faa/1-shard;ring/faa/8-shard;ring/cas/1-shard;ring/cas/8-shard;mutex;" ] ||
    fail "variants: $(all_of variant)"
[ "$(all_of reserve)" = "faa;faa;cas;cas;null;" ] || fail "reserve: $(all_of reserve)"
[ "$(all_of publish_shards)" = "1;8;1;8;null;" ] || fail "shards: $(all_of publish_shards)"
[ "$(all_of stages_every)" = "0;0;0;0;0;" ] || fail "stages_every: $(all_of stages_every)"
runs --device null --engine ring --writers 2 --records 20 --shards cores --flusher leader --wait block
[ "$(all_of variant)" = "ring/core-shard/leader/block;" ] || fail "variant: $(all_of variant)"
grep -q 'vs ring/core-shard/leader/block' "$here/out/stdout" || fail "the first variant is no measure"
for policy in ticket mcs mutex; do
    runs --device null --engine ring --writers 2 --records 20 --reserve $policy --wait spin
    [ "$(all_of variant)" = "ring/$policy/spin;" ] || fail "variant: $(all_of variant)"
done

# The ladder goes from mutex to the ring as it is.
runs --device null --ladder --writers 2 --records 20 --repeat 2
rungs="mutex;checksum outside the lock;wake per epoch;copy outside the lock;hybrid flusher;gather;\
fetch-add;sharded publish;adaptive wait;"
[ "$(all_of variant | cut -d';' -f1-9);" = "$rungs" ] || fail "ladder: $(all_of variant)"
[ "$(all_of rung | cut -d';' -f1-9)" = "1;2;3;4;5;6;7;8;9" ] || fail "rungs: $(all_of rung)"
[ "$(all_of reserve | cut -d';' -f4-9)" = "mutex;mutex;mutex;faa;faa;faa" ] || fail "ladder: reserve"
[ "$(all_of publish_shards | cut -d';' -f4-9)" = "1;1;1;1;8;8" ] || fail "ladder: shards"
[ "$(all_of wait | cut -d';' -f4-9)" = "block;block;block;block;block;adaptive" ] ||
    fail "ladder: wait"
[ "$(sed 's/.*"variant_flags":\(\[[^]]*\]\).*/\1/' "$here/out/json" | head -5 | tr -d '\n"')" = \
    "[][checksum_first][checksum_first,wake_per_epoch][no_gather][no_gather]" ] ||
    fail "ladder: flags"
grep -q 'vs mutex .*vs rung before' "$here/out/stdout" || fail "ladder: no two ratios"
grep -qE '^ +2  mutex .* 1\.00x +1\.00\.\.1\.00 +- ' "$here/out/stdout" || fail "ladder: first rung"

# Sizes are the outer loop, then windows, then writers; variants stand next to each other.
runs --device null --engine ring,mutex --writers 1,2 --records 20 --size 64,600 --window 1,4
[ "$(wc -l <"$here/out/json")" -eq 16 ] || fail "lists: not one line for each run"
[ "$(all_of size_min)" = "64;64;64;64;64;64;64;64;600;600;600;600;600;600;600;600;" ] ||
    fail "sizes: $(all_of size_min)"
[ "$(all_of window)" = "1;1;1;1;4;4;4;4;1;1;1;1;4;4;4;4;" ] || fail "windows: $(all_of window)"
is submit_ns 1 null
holds "$(value submit_ns 5) > 0" "time of a submit"
grep -qE '^ +bytes +window +writers' "$here/out/stdout" || fail "lists: the table does not tell"
[ "$(grep -cE '^ +(64|600) +[14] +[12]  (ring|mutex) ' "$here/out/stdout")" -eq 16 ] ||
    fail "lists: rows: $(cat "$here/out/stdout")"

# A window that is too long to end in time is no rate of 0.
bench --device delay:700000 --engine ring,mutex --writers 1 --window 8 --seconds 0.2
[ $status -eq 0 ] || fail "long window: exit $status"
[ "$(grep -c '1 writer: no window of 8 records ended in the timed part$' "$here/out/stderr")" -eq 2 ] ||
    fail "long window: $(cat "$here/out/stderr")"
grep -qE '^ +1  (ring|mutex) ' "$here/out/stdout" && fail "long window: $(cat "$here/out/stdout")"

# The factors of a crossed design, each with its place in the label.
runs --device delay:200 --engine ring,mutex --reserve faa,mutex --gather on,off --wake all,tree --writers 6 --records 20
[ "$(all_of variant)" = "ring/faa/gather/wake-all;ring/faa/gather/wake-tree;ring/faa/no-gather/wake-all;\
ring/faa/no-gather/wake-tree;ring/mutex/gather/wake-all;ring/mutex/gather/wake-tree;\
ring/mutex/no-gather/wake-all;ring/mutex/no-gather/wake-tree;mutex;" ] || fail "factors: $(all_of variant)"
[ "$(all_of gather)" = "on;on;off;off;on;on;off;off;null;" ] ||
    fail "factors: gather: $(all_of gather)"
[ "$(sed 's/.*"variant_flags":\(\[[^]]*\]\).*/\1/' "$here/out/json" | head -4 | tr -d '\n"')" = \
    "[][wake_tree][no_gather][no_gather,wake_tree]" ] || fail "factors: flags"
runs --device null --engine ring --gather off --wake tree --writers 2 --records 20
[ "$(all_of variant)" = "ring/no-gather/wake-tree;" ] || fail "factors: $(all_of variant)"

# Ratios over rounds come with the least and the most of them.
runs --device null --engine ring,mutex --writers 2 --records 200 --repeat 3
grep -qE 'vs mutex +least\.\.most$' "$here/out/stdout" || fail "spread: heading"
grep -qE '^ +2  ring .*x +[0-9.]+\.\.[0-9.]+$' "$here/out/stdout" || fail "spread: no such column"

# Before and after each point stands what disk and kernel can do. On a busy machine no thread may be woken in the
# time that there is for it: then nothing is told of wakes.
runs --floors --engine ring,mutex --writers 1,4 --records 20 --repeat 2
order=$(sed '1d;s/^{"\([a-z]*\)":"\([a-z]*\)".*/\1=\2/' "$here/out/raw" | tr '\n' ' ')
echo "$order" | grep -qE '^(floor=sync (floor=wake )?floor=sync (floor=wake )?(engine=(ring|mutex) ){2}){4}$' ||
    fail "floors: $order"
[ "$(grep -c '^{"floor":"wake","threads":4,"groups":2,"wakes_per_s":[0-9.]*,"round":[12],"moment":"[a-z]*"}$' \
    "$here/out/raw")" -ge 1 ] || fail "floors: $(cat "$here/out/raw")"
[ "$(grep -c '^{"floor":"sync","how":"fdatasync",.*"bytes":4096,"syncs_per_s":[1-9][0-9.]*,"p50_us":.*,"round":[12],"moment":"[a-z]*"}$' \
    "$here/out/raw")" -eq 8 ] || fail "floors: $(cat "$here/out/raw")"
grep -qE '^lone-writer syncs/s: [0-9.,]+, each of 4,096 B' "$here/out/stdout" || fail "floors: syncs"
grep -qE '^kernel wakes/s at 4 writers: [0-9.,]+' "$here/out/stdout" || fail "floors: wakes"

# Of each run, what they allow it: a sync a record of each writer, and a sleep a wake.
for line in 1 2 3 4 5 6 7 8; do
    bounds=$(sed -n "$line{s/.*\"bounds\":\[\(.*\)\]}$/\1/p;}" "$here/out/json")
    echo "$bounds" | grep -qE '^\{"bound":"lone-writer syncs/s","before":[0-9.]+,"after":[0-9.]+,"records_per_s":[0-9.]+,"passed":(true|false)\}' ||
        fail "bounds of $line: $bounds"
    echo "$bounds" | tr '{,:}' ' ' | awk -v rate="$(value records_per_s $line)" -v writers="$(value writers $line)" '{
        most = $5 > $7 ? $5 : $7
        if ($9 < most * writers * 0.999 - 0.01 || $9 > most * writers * 1.001 + 0.01) exit 1
        if (($11 == "true") != (rate > $9)) exit 1
    }' || fail "bounds of $line, at $(value records_per_s $line): $bounds"
done

# Of syncs it is the rate of the median one, where there were enough to tell it.
awk '/"floor":"sync".*"moment":"before"/ { p50 = match($0, /"p50_us":[0-9.]+/) ? substr($0, RSTART + 9, RLENGTH - 9) : 0 }
    /"engine"/ && p50 > 0 {
        match($0, /"before":[0-9.]+/)
        ratio = substr($0, RSTART + 9, RLENGTH - 9) * p50 / 1e6
        if (ratio < 0.99 || ratio > 1.01) exit 1
    }' "$here/out/raw" || fail "floors: not the median sync: $(cat "$here/out/raw")"

# How the run syncs and how much it writes at once; nothing of syncs where none are made, or a delay makes them.
runs --floors --engine ring --writers 1 --records 20 --sync dsync --size 5000 --window 4
grep -q '^{"floor":"sync","how":"dsync",.*"bytes":20480,' "$here/out/raw" || fail "floors: $(cat "$here/out/raw")"
runs --floors --engine ring --writers 1 --records 20 --clients 3 --io buffered
grep -q '^{"floor":"sync","how":"fdatasync","direct":false,' "$here/out/raw" || fail "floors: buffered"
for how in "--device null" "--device delay:100" "--sync none"; do
    # shellcheck disable=SC2086 # an option and its value
    runs --floors --engine ring --writers 2 --records 20 $how
    grep -q '"floor":"sync"' "$here/out/raw" && fail "$how: a floor of syncs"
    grep -q 'lone-writer' "$here/out/raw" && fail "$how: a bound by syncs"
done

# A run above its bound is marked. That cannot be had on purpose, so the mark is held against the JSON.
runs --floors --engine ring,mutex,serial --device null --writers 1,4 --seconds 0.2
for line in 1 2 3 4 5 6; do
    row=$(grep -E "^ +$(value writers $line)  $(value engine $line | tr -d '"') " "$here/out/stdout")
    marked=$(echo "$row" | grep -c '\^$')
    passed=$(sed -n "$line p" "$here/out/json" | grep -c '"passed":true')
    [ "$marked" = "$passed" ] || fail "floors: marked $marked, passed $passed: $row"
done
[ "$(grep -c '^\^ above what ' "$here/out/stdout")" -eq "$(grep -q '"passed":true' "$here/out/json" && echo 1 || echo 0)" ] ||
    fail "floors: the line under the table: $(cat "$here/out/stdout")"

# Unasked where they cost less than a fifth of the time.
for how in "--seconds 1 on" "--seconds 0.1 off" "--records 20 off" "--seconds 1 --no-floors off" "--seconds 0.1 --floors on"; do
    # shellcheck disable=SC2086 # options and their values
    runs --engine ring --writers 1 --device null ${how% *}
    bounds=$(grep -c '"bounds":\[' "$here/out/json")
    [ "$bounds" -eq "$([ "${how##* }" = on ] && echo 1 || echo 0)" ] || fail "$how: $bounds results with bounds"
done

# The map of processors is as large as the set of them, and symmetric.
runs --core-to-core --engine ring --device null --writers 1 --records 20
processors=$(nproc)
sed -n '1s/.*"core_to_core":\[\(\[.*\]\)\],"order".*/\1/p' "$here/out/raw" | awk -v processors="$processors" '{
        rows = split(substr($0, 2, length($0) - 2), row, "\\],\\[")
        for (a = 1; a <= rows; a++) {
            if (split(row[a], cell, ",") != rows) bad = 1
            for (b = 1; b <= rows; b++) {
                ns[a, b] = cell[b]
                if ((a == b) != (cell[b] == "null") || (a != b && cell[b] <= 0)) bad = 1
                if (b < a && ns[a, b] != ns[b, a]) bad = 1
            }
        }
        exit bad || (processors <= 128 && rows != processors)
    } END { if (NR != 1) exit 1 }' || fail "core to core: $(head -n 1 "$here/out/raw")"
grep -q '^core to core: ' "$here/out/stdout" || fail "core to core: the table does not tell"

# The stages of a sampled append.
runs --device delay:2000 --engine ring,mutex --writers 2 --records 50 --stages 5
[ "$(grep -c '"stages_us":{"samples":[1-9][0-9]*,"checksum":.*"sync":[1-9][0-9]*\.[0-9]*,"wake":' \
    "$here/out/json")" -eq 2 ] || fail "stages: $(cat "$here/out/json")"
[ "$(all_of stages_every)" = "5;5;" ] || fail "stages_every: $(all_of stages_every)"
grep -q 'mean us of one append in 5, by stage' "$here/out/stdout" || fail "stages: no table"

# How long the device's syncs took, which is never less than asked; the table says if they took a tenth more.
for us in 1 200; do
    runs --device delay:$us --engine ring,mutex --writers 2 --records 200
    for line in 1 2; do
        sed -n "$line{s/.*\"device_delay_us\":{\([^}]*\)}.*/\1/;s/\"//g;s/[:,]/ /g;p;}" "$here/out/json" |
            awk -v us=$us -v flushes="$(value flushes $line)" '{
                exit !(NF == 10 && $1 == "asked" && $2 == us && $3 == "syncs" && $4 >= flushes && $5 == "mean" &&
                    $6 >= us && $7 == "p50" && $8 >= us && $9 == "p99" && $10 == "null")
            }' || fail "delay of $us us: $(sed -n "$line p" "$here/out/json")"
    done
    late=$(sed 's/.*"device_delay_us":{[^}]*"p50":\([0-9.]*\).*/\1/' "$here/out/json" |
        awk -v us=$us '$1 > 1.1 * us { late = 1 } END { print late + 0 }')
    [ "$(grep -cE '^DEVICE LATE: a sync took up to [0-9.,]+ us in the median \((ring|mutex), 2 writers\)$' \
        "$here/out/stdout")" -eq "$late" ] || fail "delay of $us us: late $late: $(cat "$here/out/stdout")"
done
grep -q '"device_delay_us":{"asked":200,' "$here/out/json" || fail "delay: $(cat "$here/out/json")"

# Costs, and the command that it was.
runs --device delay:1000 --engine ring,serial --writers 2 --records 50
for line in 1 2; do
    holds "$(value context_switches_per_record $line) > 0" "context switches"
    calls=$(value system_calls_per_record $line)
    # Not counted where the kernel does not permit it.
    [ "$calls" = null ] || holds "$calls > 0 && $calls < 1000" "system calls"
done
grep -q '"command":"[^"]*logfile-bench --device delay:1000 --engine ring,serial --writers 2 ' \
    "$here/out/json" || fail "command"

# The first line says which build measured, when, where and in which order.
runs --device null --engine ring --writers 1 --records 5 --seed 7
[ "$(head -n 1 "$here/out/raw" | top_keys /dev/stdin)" = "head version time commit compiler cflags clock_source \
cpus_allowed cpus_online cpu_quota volatile_dir virtual block_queue core_to_core order seed command baseline" ] ||
    fail "head: $(head -n 1 "$here/out/raw")"
head -n 1 "$here/out/raw" | grep -qE '"time":"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z",' ||
    fail "head: time"
head -n 1 "$here/out/raw" | grep -qE '"commit":(null|"[0-9a-f]{7,40}(-dirty)?"),"compiler":"(gcc|clang) [^"/]*","cflags":(null|"[^"/]*"),' ||
    fail "head: build: $(head -n 1 "$here/out/raw")"
head -n 1 "$here/out/raw" | grep -q '"volatile_dir":false,.*"block_queue":null,"core_to_core":null,"order":"williams","seed":7,"command":"' ||
    fail "head: $(head -n 1 "$here/out/raw")"
grep -qE '^build: .*(gcc|clang) ' "$here/out/stdout" || fail "the table does not tell the build"
[ "$(grep -c '"head"' "$here/out/raw")" -eq 1 ] || fail "more than one head"
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && [ -w /dev/shm ]; then
    shm=$(mktemp -d /dev/shm/test-bench-cli-XXXXXX)
    runs --engine ring --writers 1 --records 5 --dir "$shm"
    rmdir "$shm" || fail "tmpfs: something is left"
    [ "$(grep -c '^VOLATILE: tmpfs ' "$here/out/stdout")" -eq 1 ] || fail "tmpfs: $(cat "$here/out/stdout")"
    grep -q '"volatile_dir":true' "$here/out/raw" || fail "tmpfs: $(head -n 1 "$here/out/raw")"
fi
one=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
if [ "$(getconf _NPROCESSORS_ONLN)" -gt 1 ] && taskset -c "$one" true 2>/dev/null; then
    rm -f "$here/out/raw"
    taskset -c "$one" "$LOGFILE_BENCH" --device null --engine ring --writers 1 --records 5 --json "$here/out/raw" \
        >"$here/out/stdout" 2>"$here/out/stderr"
    grep -q "^restricted: to the hardware threads $one, of " "$here/out/stdout" ||
        fail "restricted: $(cat "$here/out/stdout")"
    grep -q "\"cpus_allowed\":\"$one\"" "$here/out/raw" || fail "restricted: $(head -n 1 "$here/out/raw")"
fi
holds "$(sed -n 's/.*"pressure":{[^}]*"steal_us":\([0-9]*\)}.*/\1/p' "$here/out/raw" | head -n 1) >= 0" "pressure"

# ---- Another build ----

# program NAME: a program whose text is on standard input.
program() {
    { echo '#!/bin/sh'; cat; } >"$here/out/$1"
    chmod +x "$here/out/$1"
}
program fails <<'END'
exit 3
END
program other <<'END'
echo "sort (GNU coreutils) 9.1"
END
# As a build from before there was --think, or --no-floors.
program old <<END
[ "\$1" != --version ] || { echo "logfile-bench 0.0.7"; exit 0; }
[ "\$1" != --help ] || { "$LOGFILE_BENCH" --help | grep -v -e --think -e --no-floors; exit 0; }
for word; do
    case \$word in --think | --no-floors) echo "logfile-bench: unknown option '\$word'" >&2; exit 64 ;; esac
done
exec "$LOGFILE_BENCH" "\$@"
END
# With 20 ms planted in each commit: the device of the runs takes 25 ms, and not 5.
program slow <<END
for word; do
    [ "\$word" != delay:5000 ] || word=delay:25000
    set -- "\$@" "\$word"
    shift
done
exec "$LOGFILE_BENCH" "\$@"
END
# Ends in its third run.
program breaks <<END
case " \$* " in
*" --check "* | *" --version "* | *" --help "*) ;;
*)
    echo >>"$here/out/began"
    [ "\$(wc -l <"$here/out/began")" -lt 3 ] || { echo "logfile-bench: the disk is on fire" >&2; exit 1; }
    ;;
esac
exec "$LOGFILE_BENCH" "\$@"
END

refuses "cannot be run: No such file" --baseline "$here/out/missing" --device null
refuses "is no logfile-bench: exit status 3 for --version" --baseline "$here/out/fails" --device null
refuses "is no logfile-bench: --version says 'sort (GNU" --baseline "$here/out/other" --device null
refuses "version 0.0.7 does not know --think" --baseline "$here/out/old" --device null --think 5
refuses "--baseline: not together with --peer" --baseline "$LOGFILE_BENCH" --device null --peer "$here/out/fails"
refuses "--baseline: not together with --ladder" --baseline "$LOGFILE_BENCH" --device null --ladder
bench --check --baseline "$here/out/old" --device null
[ $status -eq 0 ] && [ ! -s "$here/out/stderr" ] || fail "--check --baseline: $status: $(cat "$here/out/stderr")"

# Runs of both builds alternate in a balanced order, each run its own process, into one table and one file.
for build in "$LOGFILE_BENCH" "$here/out/old"; do
    runs --baseline "$build" --engine ring,mutex --reserve faa,cas --writers 1,2 --size 64,600 --records 20 --repeat 6 \
        --device null --floors
    [ "$(grep -c . "$here/out/json")" -eq 144 ] || fail "$build: $(grep -c . "$here/out/json") results"
    [ "$(all_of variant | cut -d';' -f1-6)" = \
        "ring/faa;ring/cas;mutex;baseline:ring/faa;baseline:ring/cas;baseline:mutex" ] ||
        fail "$build: $(all_of variant)"
    [ "$(all_of size_min | tr ';' '\n' | sort | uniq -c | tr -s ' \n' ' ')" = " 72 600 72 64 " ] ||
        fail "$build: sizes"
    [ "$(top_keys "$here/out/json" | tr ' ' '\n' | sort -u)" = "$(echo "$keys" | tr ' ' '\n' | sort -u)" ] ||
        fail "$build: keys: $(top_keys "$here/out/json" | sort -u)"
    grep '"engine"' "$here/out/raw" | sed 's/.*"variant_index":\([0-9]*\),"point_index":\([0-9]*\),.*/\2 \1/' | awk '
        { at[$1]++; place = (at[$1] - 1) % 6; places[$1 " " $2 " " place]++ }
        END { for (i in places) { n++; if (places[i] != 1) exit 1 } exit n != 4 * 6 * 6 }' ||
        fail "$build: not each variant in each place"
    [ "$(grep -cE '^ +(64|600) +[12]  (baseline:)?(ring/faa|ring/cas|mutex) ' "$here/out/stdout")" -eq 24 ] ||
        fail "$build: rows: $(cat "$here/out/stdout")"
    grep -q ' vs baseline *least\.\.most$' "$here/out/stdout" || fail "$build: no ratio to the baseline"
    [ "$(grep -cE 'baseline:[a-z/]+ .* 1\.00x +1\.00\.\.1\.00' "$here/out/stdout")" -eq 12 ] ||
        fail "$build: the baseline is not its own measure"
done
grep -q '"baseline":{"path":"[^"]*/old","version":"0.0.7","commit":null}' "$here/out/raw" || fail "baseline: head"
[ "$(sed -n 's/.*"variant":"baseline:.*"options":{"round":[1-6],"rounds":6,.*"command":"[^ ]*\/\([^ /]*\) --engine.*/\1/p' \
    "$here/out/raw" | sort -u)" = "$(basename "$LOGFILE_BENCH")" ] || fail "baseline: whose runs were these?"

# What is planted in one build shows in its rows, and in no other.
runs --baseline "$here/out/slow" --engine ring,serial --writers 1 --records 25 --device delay:5000 --repeat 2
holds "$(all_of p50_us | cut -d';' -f3-4,7-8 | tr ';' '\n' | sort -n | head -n 1) >= 24800" "planted, by the baseline"
[ "$(all_of delay_us)" = "5000;5000;25000;25000;5000;5000;25000;25000;" ] || fail "planted: $(all_of delay_us)"
[ "$(grep -cE ' baseline:(ring|serial) .* 1\.00x' "$here/out/stdout")" -eq 2 ] || fail "planted: rows"

# A build that fails in a run ends everything, and what was measured before is kept.
rm -f "$here/out/began" "$here/out/raw"
bench --baseline "$here/out/breaks" --engine ring --writers 1 --records 20 --device null --repeat 5 \
    --json "$here/out/raw"
[ $status -eq 1 ] || fail "breaks: exit $status"
grep -q 'baseline:ring, 1 writer: .*breaks: exit status 1: the disk is on fire$' "$here/out/stderr" ||
    fail "breaks: $(cat "$here/out/stderr")"
[ "$(grep -c '"engine"' "$here/out/raw")" -ge 4 ] || fail "breaks: $(grep -c '"engine"' "$here/out/raw") results"

# Whatever bytes the folder's name has, the results are UTF-8.
strange=$(printf 'caf\303\251 \377\001"\\')
mkdir "$here/out/$strange"
runs --engine ring --writers 1 --records 5 --dir "$here/out/$strange" 2>/dev/null
rmdir "$here/out/$strange"
grep -qF 'café \\xff\u0001\"\\' "$here/out/json" || fail "--dir in JSON: $(cat "$here/out/json")"
if command -v iconv >/dev/null; then
    iconv -f UTF-8 -t UTF-8 "$here/out/json" >/dev/null 2>&1 || fail "--json is not UTF-8"
fi
if command -v python3 >/dev/null; then
    python3 -c 'import json, sys; json.loads(open(sys.argv[1], "rb").read().decode("utf-8"))' \
        "$here/out/json" || fail "--json is not JSON"
    # The fine histogram of few, of many and of no latencies, and the percentiles that can be told of them.
    for how in "--records 3" "--records 60 --size 0" "--seconds 0.3" "--seconds 0.3 --window 16" "--seconds 0.2 --rate 300" \
        "--seconds 0.01 --device delay:400000" "--device delay:300 --records 2000"; do
        # shellcheck disable=SC2086 # options and their values
        runs --engine ring,serial --writers 1,3 --device null $how
        python3 -B "$source/tests/bench/check_hdr.py" "$here/out/json" || fail "hdr: $how"
    done
    runs --engine ring --writers 1 --device null --seconds 1
    holds "$(value p99_99_us 1) >= $(value p99_us 1)" "percentiles of many"
fi

# Where threads and memory are is read back.
runs --device null --engine ring --writers 2 --seconds 1 --pin compact --pin-sequencer same
grep -q '"placement":{"pin":"compact","pin_sequencer":"same","ring_memory":.*"writers":"[0-9,-]*","sequencer":"[0-9,-]*"' \
    "$here/out/json" || fail "placement: $(cat "$here/out/json")"
grep -q '^placement, as read back' "$here/out/stdout" || fail "placement: the table does not tell"
# The table tells only what is true of every run; two writers are elsewhere than one, given two places.
runs --device null --engine ring --writers 1,2 --records 20 --pin compact
places=$(sed 's/.*"placement":{[^}]*"writers":"\([0-9,-]*\)".*/\1/' "$here/out/json" | sort -u | wc -l)
lines=$(grep -c '^placement' "$here/out/stdout")
[ "$lines" -eq $((places == 1)) ] || fail "placement: $lines lines for $places places"

# Other stores run the same task, are read back, and leave nothing.
for store in ${stores-}; do
    for how in "--size 600" "--size-range 0:900" "--rate 500"; do
        # shellcheck disable=SC2086 # an option and its value
        runs --engine ring,$store --writers 3 --records 20 $how
        is engine 2 "\"$store\""
        is records 2 60
        is flushes 2 null
        is batch_histogram 2 null
        is device_bytes_per_payload_byte 2 null
        grep -q "^$store .*: " "$here/out/stdout" || fail "$store: the table does not name its settings"
    done
    runs --engine $store --writers 2 --records 30 --json "$here/out/json"
    is records 1 60
done

# Fairness is that of a set time: with a set number each writer has as many. A lone writer crosses its own group.
runs --device delay:500 --engine ring,serial --writers 1,3 --seconds 0.5
is fairness 1 null
for line in 3 4; do
    holds "$(nested fairness jain $line) > 0 && $(nested fairness jain $line) <= 1" "fairness"
    holds "$(nested fairness jain $line) >= $(nested fairness least_over_mean $line) / 3" "fairness: Jain"
    holds "$(nested fairness least_over_mean $line) <= 1 && $(nested fairness most_over_mean $line) >= 1 &&
        $(nested fairness most_over_mean $line) <= 3" "fairness: least and most"
    holds "$(nested fairness writer_p50_us_least $line) > 0 &&
        $(nested fairness writer_p50_us_least $line) <= $(nested fairness writer_p50_us_most $line)" "fairness: p50"
    holds "$(nested epochs_crossed mean $line) <= $(nested epochs_crossed max $line)" "epochs crossed"
done
[ "$(nested epochs_crossed mean 2);$(nested epochs_crossed max 2)" = "1.000;1" ] ||
    fail "epochs crossed: serial, one writer: $(nested epochs_crossed mean 2)"
holds "$(nested epochs_crossed samples 2) <= $(value records 2) / 16 + 1" "epochs crossed: one append in 16"
[ "$(awk '/^writers/ { print $13, $14 } $2 == "ring" { print $10 }' "$here/out/stdout" | head -2 | tr '\n' ';')" = \
    "worst writer/mean;-;" ] || fail "fairness: the table: $(cat "$here/out/stdout")"
runs --device null --engine ring --writers 3 --records 40
is fairness 1 null

# The series has a slice for each 100 ms, and all records are in one; what the processor counts is known or not.
runs --device delay:500 --engine ring,serial --writers 3 --seconds 0.5
for line in 1 2; do
    slices=$(sed -n "$line"'s/.*"series":{\([^}]*\)}.*/\1/p' "$here/out/json")
    echo "$slices" | tr '[' '\n' | awk -v records="$(value records $line)" -v flushes="$(value flushes $line)" '
        NR > 1 { sub(/].*/, ""); if (split($0, entry, ",") != 5) bad = 1 }
        NR == 2 && $0 != "0.000,0.100,0.200,0.300,0.400" { bad = 1 }
        NR == 3 { for (i in entry) sum += entry[i]; if (sum != records) bad = 1 }
        NR == 4 && /[^0-9.,nul]/ { bad = 1 }
        NR == 5 { for (i in entry) syncs += entry[i]; if (syncs < 1 || syncs > 2 * flushes + 20) bad = 1 }
        END { exit bad || NR < 5 }' || fail "series: $slices; of $(value records $line)"
    for counter in cycles instructions cache_misses hitm joules_per_record; do
        [ "$(nested perf $counter $line)" = null ] || holds "$(nested perf $counter $line) > 0" "perf: $counter"
    done
done
runs --device null --engine ring --writers 2 --seconds 0.05
grep -q '"series":null' "$here/out/json" || fail "series: of less than a slice"

# A run of a set time, and each way to set a log up.
runs --device null --engine ring --writers 2 --seconds 1
is seconds 1 1.000000
holds "$(value records 1) > 0" "records in a second"
for how in "--flusher sequencer" "--flusher leader" "--wait block" "--io buffered" \
    "--sync dsync" "--sync none" "--prepare allocate" "--prepare none" "--checksum header" \
    "--slot-bytes 65536" "--pin compact" "--pin scatter" "--pin node:0" "--seed 9" "--size 0" "--size 7" \
    "--size-range 0:9000" "--window 7" "--clients 3" "--clients 20" "--clients 100" "--size 8388000 --window 2" "--rate 5000"; do
    # shellcheck disable=SC2086 # an option and its value
    runs --writers 3 --records 10 --engine ring,mutex $how
    is records 1 30
    is records 2 30
done

# Clients have one record each on its way, so that many at most share a sync: 100 of them on a device that
# takes 20 ms make no more than 100 in that time, and the latency of each is counted.
runs --device delay:20000 --engine ring,mutex --writers 1,3 --clients 100 --records 1000
for line in 1 2 3 4; do
    is records $line $(( line < 3 ? 1000 : 3000 ))
    holds "$(value records_per_flush $line) > 1" "clients: together"
    holds "$(value records_per_flush $line) <= 100" "clients: one record each"
    holds "$(value p50_us $line) >= 19800" "clients: latency"
done
[ "$(all_of clients)" = "100;100;100;100;" ] || fail "clients: $(all_of clients)"
grep -q 'submitted by 100 clients that wait until durable' "$here/out/stdout" || fail "clients: heading"

# Sizes, times and rates as people write them.
runs --device delay:2ms --engine ring --writers 2 --size 4K,1KiB,64B --seconds 200ms --rate 1k
[ "$(all_of size_min)" = "4096;1024;64;" ] || fail "sizes with units: $(all_of size_min)"
is seconds 1 0.200000
grep -q '"delay_us":2000' "$here/out/json" || fail "a delay with a unit"
grep -q '"rate":1000.000' "$here/out/json" || fail "a rate with a unit"
runs --device null --engine ring --writers=1 --size-range=1K:2k --records 10 --slot-bytes 64K
[ "$(all_of size_max)" = "2048;" ] || fail "a range with units: $(all_of size_max)"
[ "$(all_of slot_bytes)" = "65536;" ] || fail "--slot-bytes with a unit: $(all_of slot_bytes)"

# A sync takes as long as it is told to; records that are due wait for their turn.
runs --device delay:20000 --engine ring,mutex,serial --writers 1 --records 5
for line in 1 2 3; do
    holds "$(value max_us $line) >= 19800" "delay"
done
runs --device null --engine ring --writers 2 --records 20 --rate 200 --arrivals even
holds "$(value seconds 1) >= 0.19" "rate"
runs --device null --engine ring --writers 2 --records 20 --rate 200

is capped 1 false
[ "$(nested load kind 1);$(nested load arrivals 1);$(nested load clients 1)" = '"open";"poisson";2' ] ||
    fail "open loop: $(nested load kind 1)"

# The latency is that of the schedule: at 1,000 a second, 20 ms a sync fall behind more and more.
runs --device delay:20000 --engine ring --writers 1 --records 10 --rate 1000 --arrivals even
holds "$(value max_us 1) >= 150000" "open loop"
grep -q '^load: open loop, evenly spaced, 1,000/s$' "$here/out/stdout" || fail "open loop: heading"

# Latencies are of all that was due in the timed part, 0.2 to 0.7 s, and of nothing else; the last of
# the five ends at 1.4 s.
runs --device delay:200000 --engine ring --writers 1 --seconds 0.5 --rate 10 --arrivals even
latencies() {
    sed "$1"'!d;s/.*"latency_histogram":\[\(.*\)\],"hdr".*/\1/;s/\],\[/\n/g' \
        "$here/out/json" | tr -d '][' | awk -F, '{ count += $2 } END { print count }'
}
[ "$(latencies 1)" = 5 ] || fail "open loop: $(latencies 1) latencies, not the 5 that were due"
holds "$(value max_us 1) >= 750000" "open loop: what ended after the timed part"
holds "$(value records 1) < 5" "open loop: what became durable in the timed part"

# A window of an open loop: a record is submitted when it is due, whatever is on its way. Of 10 that are due within
# 10 ms on a device of 100 ms one flush carries the first and another the rest, where a queue would take ten.
runs --device delay:100000 --engine ring --writers 1 --records 10 --rate 1000 --arrivals even --window 10
holds "$(value seconds 1) < 0.6" "an open loop that submits: records waited for each other"
grep -q 'submitted when due, on their way a writer up to 10' "$here/out/stdout" || fail "an open loop that submits"
# As many as the window has are on their way, and the next one is late, which its latency says.
runs --device delay:100000 --engine ring --writers 1 --records 10 --rate 1000 --arrivals even --window 2
holds "$(value seconds 1) >= 0.4 && $(value max_us 1) > 380000" "an open loop that submits: its window"
for how in "--rate 5k" "--rate 0.5x" "--rate 20k --arrivals even"; do
    # shellcheck disable=SC2086 # options and their values
    runs --engine ring,mutex,serial --writers 2 --window 64 --seconds 0.3 $how
    for line in 1 2 3; do
        holds "$(value samples $line) > 0 && $(nested load rate_asked $line) > 0" "$how, in a window: result $line"
    done
done

# A rate that cannot be met ends in time: of the 1,000 that are due, 7 or so become durable until a second
# after the timed part.  The others have waited until then at least.
runs --device delay:200000 --engine serial --writers 1 --seconds 0.5 --rate 2k --arrivals even
is capped 1 true
[ "$(nested load past_knee 1)" = true ] || fail "open loop: not past the knee"
[ "$(latencies 1)" = 1000 ] || fail "open loop: $(latencies 1) latencies, not the 1000 that were due"
holds "$(value p50_us 1) >= 1000000" "open loop: records that were left behind"
grep -q '^+ past the knee' "$here/out/stdout" || fail "past the knee: the table does not tell"

# A share of what each variant can do, which is measured first; the rates have a column.
runs --device delay:2000 --engine ring,serial --writers 4 --seconds 0.5 --rate 100,0.25x
for line in 1 2; do
    [ "$(nested load share $line);$(nested load rate_asked $line)" = "null;100.000" ] ||
        fail "rates: $(nested load rate_asked $line)"
done
for line in 3 4; do
    [ "$(nested load share $line)" = 0.250 ] || fail "rates: a share: $(nested load share $line)"
    holds "$(nested load capacity $line) > 0 && $(nested load rate_asked $line) < \
        0.26 * $(nested load capacity $line)" "rates: a share of the capacity"
done
grep -qE '^ +rate +writers' "$here/out/stdout" || fail "rates: no column"
[ "$(grep -cE '^ +(100|0.25x) +4  (ring|serial) ' "$here/out/stdout")" -eq 4 ] ||
    fail "rates: rows: $(cat "$here/out/stdout")"
for store in ${stores-}; do
    runs --engine $store --writers 2 --seconds 0.3 --rate 0.5x
    holds "$(nested load capacity 1) > 0" "rates: a share of another store's"
done

# Clients that think send less: four that think 50 ms between records of 2 ms, at most some 77 a second.
runs --device delay:2000 --engine ring --writers 4 --records 20 --think 50ms
holds "$(value records_per_s 1) < 120" "think: $(value records_per_s 1)"
[ "$(nested load kind 1);$(nested load think_us 1);$(nested load rate_asked 1)" = '"closed";50000.000;null' ] ||
    fail "think: $(nested load kind 1)"
grep -q '^load: closed loop, 4 clients, think 50,000 us (exponential)$' "$here/out/stdout" ||
    fail "think: heading"
runs --device delay:2000 --engine ring --writers 1 --window 4 --records 40 --think 20ms
is records 1 40
holds "$(value seconds 1) >= 0.05" "think: between windows"

runs --preset readme --device null
for line in 1 2 3; do
    is writers $line 20
    is records $line 1000
    holds "$(value size_bytes $line) > 450000 && $(value size_bytes $line) < 600000" "sizes"
done
sizes=$(sed 's/.*"size_bytes":\([0-9]*\).*/\1/' "$here/out/json" | sort -u | wc -l)
[ "$sizes" -eq 1 ] || fail "the preset's sizes differ between engines"

# Segments, with and without trimming; what is trimmed away is not missed.
for how in "--device file" "--device null" "--device file --trim-keep 600000"; do
    # shellcheck disable=SC2086 # options and their values
    runs $how --engine ring,mutex,serial --writers 3 --records 500 --size 3000 \
        --slot-bytes 65536 --segment-bytes 1048576
    for line in 1 2 3; do
        is records $line 1500
    done
    grep -q 'segments of 1,048,576 B' "$here/out/stdout" || fail "$how: the table does not tell"
done
grep -q '"segment_bytes":1048576,"trim_keep":600000' "$here/out/json" || fail "options of segments"

# Blocks that were written before: the log prepares none.
runs --engine ring --writers 2 --records 300 --written 20000000
is records 1 600
grep -q '"written":20000000' "$here/out/json" || fail "blocks written before: the result does not tell"
grep -q '"prepare":"allocate"' "$here/out/json" || fail "blocks written before: some are prepared"
grep -q '20,000,000 B of each log written before' "$here/out/stdout" ||
    fail "blocks written before: the table does not tell"
holds "$(value device_bytes_per_payload_byte 1) < 10" "blocks written before: zeros during the run"

# Slices over logs that stay open: all rounds of a point before the next point, each variant once a round, on one log,
# which is read back at the end.
for how in "--writers 3,1" "--writers 2 --device delay:100" "--writers 2 --clients 9" "--writers 2 --rate 0.5x" \
    "--writers 2 --segment-bytes 1048576 --slot-bytes 65536 --trim-keep 600000"; do
    # shellcheck disable=SC2086 # options and their values
    runs --engine ring,mutex --slices 4 --seconds 0.05 $how
    grep -q '4 slices by turns, over logs that stay open' "$here/out/stdout" || fail "$how: the table does not tell"
    [ "$(grep -c '"sliced":true.*"rounds":4,' "$here/out/json")" -eq "$(grep -c '"engine"' "$here/out/json")" ] ||
        fail "$how: not sliced: $(cat "$here/out/json")"
    sed -n '/"engine"/s/.*"point_index":\([0-9]*\).*"round":\([0-9]*\),.*/\1 \2/p' "$here/out/raw" >"$here/out/turns"
    sort -s -u -k1,1 "$here/out/turns" >"$here/out/points"
    for point in $(cut -d' ' -f1 "$here/out/points"); do
        [ "$(sed -n "s/^$point //p" "$here/out/turns" | tr '\n' ' ')" = "1 1 2 2 3 3 4 4 " ] ||
            fail "$how: the slices of point $point: $(cat "$here/out/turns")"
    done
    [ "$(uniq "$here/out/turns" | cut -d' ' -f1 | uniq | wc -l)" -eq "$(wc -l <"$here/out/points")" ] ||
        fail "$how: points take turns: $(cat "$here/out/turns")"
    case $how in
    *delay:100*)
        grep -o '"device_delay_us":{"asked":100,"syncs":[0-9]*' "$here/out/json" | grep -q ':0$' &&
            fail "$how: no sync of the device was counted"
        ;;
    esac
    # What a slice counts is its own: no more than it has latencies of.
    records=0
    for line in 1 2 3 4 5 6 7 8; do
        records=$((records + $(value records $line)))
        [ -n "$(printf '%s' "$how" | grep rate)" ] ||
            holds "$(value records $line) == $(value samples $line)" "$how: result $line"
    done
    [ $records -gt 0 ] || fail "$how: no records"
done

# A sync of each kind, or why there is none; the verdict at the end.
bench --probe "$here/logs"
[ $status -eq 0 ] || fail "--probe: exit $status: $(cat "$here/out/stderr")"
[ "$(grep -cE '^(buffered|direct) ' "$here/out/stdout")" -eq 24 ] ||
    fail "--probe: not 24 rows: $(cat "$here/out/stdout")"
for blocks in growing allocated written recycled; do
    grep -qE "^buffered +$blocks +fdatasync +4 +([0-9]|not supported)" "$here/out/stdout" ||
        fail "--probe: $blocks: $(cat "$here/out/stdout")"
done
grep -q '^O_DIRECT: ' "$here/out/stdout" || fail "--probe: nothing of O_DIRECT"
grep -q '^allocation: ' "$here/out/stdout" || fail "--probe: nothing of allocation"
grep -qE '^the defaults: io auto is (direct|buffered)' "$here/out/stdout" || fail "--probe: defaults"
grep -q '^recommended here: ' "$here/out/stdout" || fail "--probe: no recommendation"
assert_nothing_left "--probe"
# Where no log can be direct there are rows all the same.
if [ "$(id -u)" -eq 0 ] && PATH=$PATH:/sbin:/usr/sbin mkfs.xfs -V >/dev/null 2>&1 && unshare -m true; then
    # shellcheck disable=SC2016 # it is the inner shell that expands
    unshare -m sh -c '
        PATH=$PATH:/sbin:/usr/sbin
        truncate -s 320M image && mkdir large && loop=$(losetup --sector-size 16384 --show -f image) || exit 77
        mkfs.xfs -q -f -b size=16384 -s size=16384 -K "$loop" && mount "$loop" large
        mounted=$?
        losetup -d "$loop" # once it is no longer mounted
        [ $mounted -eq 0 ] || exit 77
        exec "$0" --probe large' "$LOGFILE_BENCH" >"$here/out/stdout" 2>"$here/out/stderr"
    status=$?
    rm -rf image large
    if [ $status -eq 77 ]; then
        echo "--probe on large blocks: not tried: $(cat "$here/out/stderr")"
    else
        [ $status -eq 0 ] || fail "--probe on large blocks: exit $status: $(cat "$here/out/stderr")"
        grep -q '^O_DIRECT: not for a log: in units of 16384 bytes' "$here/out/stdout" ||
            fail "--probe on large blocks: O_DIRECT"
        [ "$(grep -cE '^(buffered|direct) ' "$here/out/stdout")" -eq 24 ] ||
            fail "--probe on large blocks: not 24 rows: $(cat "$here/out/stdout")"
        grep -q '^the defaults: io auto is buffered' "$here/out/stdout" || fail "--probe on large blocks: defaults"
    fi
    assert_nothing_left "--probe on large blocks"
else
    echo "--probe on large blocks: not tried, needs root and mkfs.xfs"
fi

# ---- How it ends ----

# await COMMAND...: until it succeeds, or the bench that is running has ended.
await() {
    until "$@"; do
        kill -0 $running 2>/dev/null || break
        sleep 0.1
    done
}

has_begun() {
    [ -n "$(ls -A "$here/logs")" ]
}

# interrupted SIGNAL STATUS ENGINES: what was measured until then is kept and marked. On a machine that
# measured nothing in three seconds it is tried again with more time.
interrupted() {
    for pause in 3 12 40; do
        interrupt_after $pause "$1" "$3"
        assert_nothing_left "$1, $3"
        [ $status -eq "$2" ] || fail "$1, $3: exit $status, not $2: $(cat "$here/out/stderr")"
        grep -qs '"interrupted":true' "$here/out/json" && break
    done
    [ "$(grep -c '"interrupted":true' "$here/out/json")" -eq 1 ] || fail "$1: not marked"
    grep -q '^\* interrupted' "$here/out/stdout" || fail "$1: the table does not tell"
    grep -q ', 60 s a run, one \(round\|slice\) of the 3 that were asked for' "$here/out/stdout" ||
        fail "$1: rounds: $(head -n 1 "$here/out/stdout")"
    holds "$(value seconds 1) < 60 && $(value records 1) > 0" "$1"
}

# interrupt_after SECONDS SIGNAL ENGINES
interrupt_after() {
    rm -f "$here/out/raw"
    # shellcheck disable=SC2086 # options, or none
    "$LOGFILE_BENCH" --engine "$3" --writers 3 --seconds 60 ${rounds:---repeat 3} --json "$here/out/raw" ${also-} \
        >"$here/out/stdout" 2>"$here/out/stderr" &
    running=$!
    await has_begun
    sleep "$1"
    kill -s "$2" $running
    wait $running
    status=$?
    sort_results "$here/out/raw" >"$here/out/json"
}
interrupted INT 130 ring,mutex
also="--baseline $LOGFILE_BENCH"
interrupted INT 130 ring,mutex
also=
rounds="--slices 3"
interrupted INT 130 ring,mutex
rounds=
interrupted TERM 143 mutex,ring
for store in ${stores-}; do
    interrupted INT 130 "$store,ring"
done

# Before the first run nothing is measured yet: what ran is marked, and the floor's file is gone.
rm -f "$here/out/json"
"$LOGFILE_BENCH" --floors --engine ring --writers "${many%,33}" --seconds 60 --json "$here/out/json" \
    >"$here/out/stdout" 2>"$here/out/stderr" &
running=$!
await grep -qs '"floor":"sync"' "$here/out/json"
kill -s INT $running
wait $running
status=$?
[ $status -eq 130 ] || fail "--floors, interrupted: exit $status: $(cat "$here/out/stderr")"
grep -q '"floor":"sync"' "$here/out/json" || fail "--floors, interrupted: no floor"
grep '"engine"' "$here/out/json" | grep -qv '"interrupted":true' && fail "--floors was not interrupted"
assert_nothing_left "--floors, interrupted"

# A second signal ends the program at once.
"$LOGFILE_BENCH" --floors --engine ring --writers 1 --seconds 60 --json "$here/out/json" \
    >"$here/out/stdout" 2>"$here/out/stderr" &
running=$!
await grep -qs '"floor":"sync"' "$here/out/json"
kill -s INT $running
kill -s TERM $running 2>/dev/null
wait $running
assert_nothing_left "--floors, interrupted twice"

"$LOGFILE_BENCH" --probe "$here/logs" >"$here/out/stdout" 2>"$here/out/stderr" &
running=$!
await has_begun
kill -s INT $running
wait $running
status=$?
[ $status -eq 130 ] || fail "--probe, interrupted: exit $status: $(cat "$here/out/stderr")"
grep -q '^recommended here' "$here/out/stdout" && fail "--probe was not interrupted"
assert_nothing_left "--probe, interrupted"

if [ -w /dev/full ]; then
    bench --device null --records 5 --json /dev/full
    [ $status -eq 1 ] || fail "a full disk for JSON: exit $status"
    "$LOGFILE_BENCH" --device null --records 5 >/dev/full 2>"$here/out/stderr"
    status=$?
    [ $status -eq 1 ] || fail "a full disk for the table: exit $status"
fi

if [ $failures -gt 0 ]; then
    echo "$failures checks failed"
    exit 1
fi
echo "all checks passed"
