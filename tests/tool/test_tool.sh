#!/bin/sh
# SPDX-License-Identifier: MIT
# The logfile program as people run it: each command, on whole, torn, damaged and live logs, and
# with wrong arguments. LOGFILE is the program, srcdir the source tree.
set -u

: "${LOGFILE:?is the program to test}"
golden=$(cd "${srcdir:-.}" && pwd)/tests/unit/golden
folder=$(mktemp -d "$PWD/test_tool.XXXXXX") || exit 1
writer=
# The writer that a check leaves running ends with its input.
clean_up() {
    exec 9>&-
    [ -z "$writer" ] || wait "$writer"
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
cd "$folder" || exit 1

checks=0
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAIL: $*"
    sed 's/^/  stdout: /' out
    sed 's/^/  stderr: /' err
}

# run STATUS ARGUMENT...: the program ends with that status. Input is the file `in`.
run() {
    expected=$1
    shift
    checks=$((checks + 1))
    "$LOGFILE" "$@" <in >out 2>err
    status=$?
    [ $status -eq "$expected" ] || fail "logfile $*: exit $status, not $expected"
}

# has FILE PATTERN: the file has a line like that.
has() {
    checks=$((checks + 1))
    grep -q -e "$2" "$1" || fail "no \"$2\" in $1"
}

# silent FILE: the file is empty.
silent() {
    checks=$((checks + 1))
    [ ! -s "$1" ] || fail "$1 is not empty"
}

# same FILE FILE
same() {
    checks=$((checks + 1))
    cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

# absent FILE...: there are no such files.
absent() {
    for file; do
        checks=$((checks + 1))
        [ ! -e "$file" ] || fail "$file was left behind"
    done
}

# one_line_error PATTERN: that is all that the last command said.
one_line_error() {
    silent out
    has err "$1"
    [ "$(wc -l <err)" -eq 1 ] || fail "not one line on stderr"
}

# append LOG TEXT: as printf understands it.
append() {
    # shellcheck disable=SC2059 # escapes are wanted
    printf "$2" >in
    run 0 append "$1"
    silent out
    silent err
    : >in
}

# key LOG KEY: what stat says of it.
key() {
    "$LOGFILE" stat "$1" | sed -n "s/^$2: //p"
}

# flip LOG OFFSET
flip() {
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059
    printf "\\$(printf %03o $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>dd.err
}

: >in

# ---- Arguments -----------------------------------------------------------------------------------

run 64
one_line_error '^logfile: usage: '
run 64 frobnicate x
one_line_error '^logfile: usage: unknown command: frobnicate'
run 64 tail x
one_line_error '^logfile: usage: unknown command: tail'
run 64 --frob
one_line_error '^logfile: usage: unknown option: --frob'
run 64 "$(printf 'two\nlines')"
one_line_error '^logfile: usage: unknown command: two.nlines'
for command in append cat verify stat dump salvage 'trim --before 1'; do
    # shellcheck disable=SC2086 # a command and its options
    set -- $command
    run 64 "$@"
    one_line_error '^logfile: usage: no PATH given'
    run 64 "$@" --frob x y
    one_line_error '^logfile: usage: unknown option: --frob'
    run 64 "$@" -x x y
    one_line_error '^logfile: usage: unknown option: -x'
    run 64 "$@" x y z
    one_line_error '^logfile: usage: one argument too many: '
    run 0 "$1" --help
    has out "^usage: logfile $1 "
    silent err
    run 0 "$1" --version
    has out '^logfile [0-9]*\.[0-9]*\.[0-9]*$'
    silent err
done
run 64 salvage x
one_line_error '^logfile: usage: no OUTPUT given'
run 64 cat x --from
one_line_error '^logfile: usage: option without its value: --from'
for lsn in '' x 1x -1 +1 ' 1' 0x10 99999999999999999999999; do
    run 64 cat x --from "$lsn"
    one_line_error '^logfile: usage: not an LSN: '
    run 64 trim x --before "$lsn"
    one_line_error '^logfile: usage: not an LSN: '
done
run 64 trim x
one_line_error '^logfile: usage: no --before LSN given'
run 0 --help
has out 'salvage PATH OUTPUT'
silent err
run 0 --version
has out '^logfile [0-9]'

absent x y z

# ---- What is no log ------------------------------------------------------------------------------

# read_fails COMMAND PATH REASON
read_fails() {
    if [ "$1" = salvage ]; then
        run 3 salvage "$2" copy
    elif [ "$1" = trim ]; then
        run 3 trim --before 1 "$2"
    else
        run 3 "$1" "$2"
    fi
    one_line_error "^logfile: $2: $3"
}

echo 'no log at all' >text
ln -s log link
mkfifo fifo
mkdir directory
for command in cat verify stat dump salvage trim; do
    read_fails $command missing 'No such file'
    read_fails $command text '.*not a log'
    read_fails $command link 'is a symbolic link'
    read_fails $command fifo 'is not a regular file'
    read_fails $command directory 'is a directory with no control file in it'
done
for path in text link fifo directory; do
    run 3 append $path
    one_line_error "$path: "
done
absent copy missing
checks=$((checks + 1))
[ "$(cat text)" = 'no log at all' ] || fail "a command changed what is no log"

# ---- append and cat ------------------------------------------------------------------------------

append log 'one\n\nnul \000 byte\nwithout newline'
printf 'one\n\nnul \000 byte\nwithout newline\n' >expected
run 0 cat log
same out expected
silent err
printf 'onenul \000 bytewithout newline' >expected
run 0 cat --raw log
same out expected

append empty ''
run 0 cat empty
silent out
run 0 verify empty
has out '^empty: clean: 0 records'
append lines '\n\n\n'
run 0 cat lines
printf '\n\n\n' >expected
same out expected

printf 'five\nsix\n' >in
run 0 append -v log
has out '^2 records, first LSN [0-9]*, last LSN [0-9]*$'
first=$(sed 's/.*first LSN \([0-9]*\),.*/\1/' out)
last=$(sed 's/.*last LSN \([0-9]*\)$/\1/' out)
: >in
run 0 append --verbose log
has out '^0 records$'
printf 'five\nsix\n' >expected
run 0 cat --from "$first" log
same out expected
printf 'six\n' >expected
run 0 cat log --from "$last"
same out expected
run 0 cat --from=$((first + 1)) log
same out expected
run 3 cat --from=99999999 log
one_line_error 'log: position is above the end of the log'
run 3 cat --from=1 log
one_line_error 'below the oldest record'

# Many lines of many sizes, so that lines lie across every kind of boundary.
awk 'BEGIN { for (i = 0; i < 20000; i++) { printf "%d ", i
    for (n = i * 7919 % 211; n > 0; n--) printf "x"
    printf "\n" } }' >in
run 0 append many
cp in expected
: >in
run 0 cat many
same out expected
run 0 verify many
has out '^many: clean: 20000 records'

# The default slot takes a little less than 8 MiB.
{
    echo before
    head -c 9000000 /dev/zero | tr '\0' x
    echo
    echo after
} >in
run 3 append long
one_line_error '^logfile: long: line 2: longer than a record'
echo before >expected
run 0 cat long
same out expected
run 0 verify long
{
    echo short
    head -c 8000000 /dev/zero | tr '\0' y
    echo
    head -c 8000000 /dev/zero | tr '\0' z
} >in
run 0 append large
{ cat in && echo; } >expected
: >in
run 0 cat large
same out expected

# Input that cannot be read.
checks=$((checks + 1))
"$LOGFILE" append unread <directory >out 2>err
[ $? -eq 3 ] || fail "append from a directory"
one_line_error '^logfile: standard input: line 1: Is a directory'
checks=$((checks + 1))
"$LOGFILE" append unread <&- >out 2>err
[ $? -eq 3 ] || fail "append from a closed descriptor"
run 0 verify unread

# ---- Standard output that fails ------------------------------------------------------------------

for command in cat stat dump verify --help --version; do
    checks=$((checks + 1))
    if [ -w /dev/full ]; then
        "$LOGFILE" $command log >/dev/full 2>err
        [ $? -eq 3 ] || fail "$command to a full device: not 3"
        has err '^logfile: cannot write to standard output: No space left'
    fi
    "$LOGFILE" $command log >&- 2>err
    [ $? -eq 3 ] || fail "$command to a closed descriptor: not 3"
done
# A reader that goes away has seen enough: nothing is said, and the status is that of the rest.
for command in cat 'dump --records' 'cat --raw'; do
    checks=$((checks + 1))
    # shellcheck disable=SC2086
    {
        "$LOGFILE" $command many 2>err
        echo $? >code
    } | head -n 1 >out
    [ "$(cat code)" = 0 ] || fail "$command to a closed pipe: exit $(cat code)"
    silent err
done
for command in verify stat --help; do
    checks=$((checks + 1))
    {
        sleep 0.1
        "$LOGFILE" $command many 2>err
        echo $? >code
    } | :
    [ "$(cat code)" = 0 ] || fail "$command to a closed pipe: exit $(cat code)"
    silent err
done
# A limit on file sizes is an error, not a signal.
checks=$((checks + 1))
(ulimit -f 8 && exec "$LOGFILE" cat many) >limited 2>err
[ $? -eq 3 ] || fail "cat past the limit on file sizes: not 3"
has err 'File too large'
checks=$((checks + 1))
echo unseen | "$LOGFILE" append log >&- 2>err || fail "append without standard output"
run 0 cat log
has out '^unseen$'

# ---- stat and dump -------------------------------------------------------------------------------

append small 'a\nbb\n'
append small 'ccc\n'
run 0 stat small
for line in "size: $(wc -c <small)" 'version: 2' 'slot_bytes: 8388608' 'first_lsn: 16384' \
    'oldest_lsn: 16384' "end_lsn: $(wc -c <small)" 'records: 3' 'payload_bytes: 6' \
    'incarnation: 2' 'damages: 0' 'damaged_copies: 0' 'verdict: clean' 'id: [0-9a-f]\{32\}'; do
    has out "^$line\$"
done
run 0 dump small
has out '^block 0: file header, checksum ok, version 2,'
has out '^block 3: trim mark, checksum ok,'
has out '^epoch 1: lsn 16384, incarnation 1, flags OPEN, records 0, length 80, promise 16384, '
has out 'incarnation 2, flags CLOSE, .* checksum ok$'
has out "^end: LSN $(wc -c <small), clean\$"
checks=$((checks + 1))
[ "$(grep -c '^epoch' out)" = "$(key small epochs)" ] || fail "dump and stat count epochs differently"
run 0 dump --records small
has out '^  record: lsn 20560, DATA, size 1$'
checks=$((checks + 1))
[ "$(grep -c '^  record' out)" -eq 3 ] || fail "dump --records: not three"

# ---- verify --------------------------------------------------------------------------------------

run 0 verify small
has out '^small: clean: 3 records'
# A byte of each structure and of its padding, through the program; each byte, within test_verify.
end=$(key small end_lsn)
close=$((end - 4096))
for at in 16384 16392 16400 16463 16464 20479 20480 20500 20559 20560 20564 20568 20569 \
    $((close - 1)) $close $((close + 8)) $((close + 79)) $((close + 80)) $((end - 1)); do
    cp small damaged
    flip damaged "$at"
    run 2 verify damaged
    has out '^damaged: damage: LSN [0-9]* to [0-9]*: '
    has out '^damaged: corrupt: '
    silent err
done
# One of two copies: every command says the same, and opening for append mends it.
for at in 0 9 12 300 4095 4096 4100 8191 8192 8200 12287 12288 12310 16383; do
    cp small damaged
    flip damaged "$at"
    run 0 verify damaged
    has out '^damaged: repairable: LSN [0-9]* to [0-9]*: .* is damaged; repaired at the next open'
    has out '^damaged: clean, repairable: 3 records'
    silent err
    run 0 stat damaged
    has out '^damages: 0$'
    has out '^damaged_copies: 1$'
    has out '^verdict: clean$'
    run 0 dump damaged
    has out '^block [0-3]: .* checksum bad'
    has out "^end: LSN $end, clean, repairable\$"
    run 0 append damaged
    run 0 verify damaged
    has out '^damaged: clean: 3 records'
done
# Of two that are damaged no command makes a log, and each says what does.
for at in 60 8252; do
    cp small damaged
    flip damaged "$at"
    flip damaged "$((at + 4096))"
    what='file header'
    [ "$at" -lt 8192 ] || what='trim mark'
    run 2 verify damaged
    has out "^damaged: damage: LSN [0-9]* to [0-9]*: second copy of the $what is damaged\$"
    has out '^damaged: corrupt: .*; see logfile salvage PATH OUTPUT$'
    for command in cat stat dump append; do
        run 2 $command damaged
        has err "^logfile: damaged: .*both copies of the $what are damaged; see logfile salvage PATH OUTPUT\$"
    done
    run 0 salvage damaged rescued
    has out '^3 records with [0-9]* bytes copied, 1 damages skipped$'
    rm rescued
done
cp small noted
printf 'left by a crash' >>noted
run 0 verify noted
has out "^noted: note: LSN $end to "
has out '^noted: clean: 3 records'

# A file that is cut before its first epoch is told as such, by all.
for at in 9 4096 5000 8192 12288 16383; do
    head -c $at small >cut
    run 2 verify cut
    has out "^cut: damage: the file is cut at byte $at, "
    for command in cat stat dump; do
        run 2 $command cut
    done
    run 2 append cut
    one_line_error "cut: corrupt from LSN 16384: the file is cut at byte $at, "
done

# A log whose writer was killed is torn; what recovery cuts is said with --verbose, and verify is
# content afterwards.
mkfifo killed
"$LOGFILE" append torn <killed >out 2>err &
writer=$!
exec 9>killed
printf 'a\nbb\nccc\n' >&9
tries=0
until "$LOGFILE" cat torn 2>/dev/null | grep -q ccc || [ $tries -eq 200 ]; do
    tries=$((tries + 1))
    sleep 0.05
done
kill -s KILL $writer
wait $writer
writer=
exec 9>&-
run 1 verify torn
has out '^torn: torn: 3 records in '
torn_end=$(key torn end_lsn)
run 0 stat torn
has out '^verdict: torn$'
run 0 dump torn
has out "^end: LSN $torn_end, torn\$"
run 0 cat torn
printf 'a\nbb\nccc\n' >expected
same out expected
cp torn recovered
truncate -s "$torn_end" recovered
printf 'a crash in the middle of an epoch' >>recovered
run 1 verify recovered
run 0 append -v recovered
has out "^not closed cleanly before: 33 bytes cut at LSN $torn_end\$"
run 0 verify recovered
truncate -s "$torn_end" torn

# ---- Damage in the middle ------------------------------------------------------------------------

for word in one two three four five; do
    append middle "$word\n"
done
lsn=$("$LOGFILE" dump --records middle | sed -n 's/^  record: lsn \([0-9]*\), DATA, size 5$/\1/p' |
    head -n 1)
epoch=$((lsn - 80))
flip middle "$lsn"
cp middle untouched
run 2 verify middle
has out "^middle: damage: LSN $epoch to $((epoch + 4096)): 1 epoch"
has out '^middle: corrupt: 4 records'
run 2 cat middle
printf 'one\ntwo\n' >expected
same out expected
has err "^logfile: middle: corrupt: LSN $epoch to $((epoch + 4096)) cannot be read; see logfile salvage PATH OUTPUT\$"
run 2 stat middle
has out '^verdict: corrupt$'
has out '^damages: 1$'
has out '^records: 4$'
run 2 dump middle
has out "^damage: LSN $epoch to $((epoch + 4096))\$"
has out "^epoch [0-9]*: lsn $epoch, .*, checksum ok, not whole\$"
checks=$((checks + 1))
"$LOGFILE" cat middle >out 2>&1
[ "$(tail -n 1 out | cut -c 1-15)" = 'logfile: middle' ] || fail "the message is not behind the records"
echo six >in
run 2 append middle
one_line_error '^logfile: middle: .*corrupt'
: >in

# ---- salvage -------------------------------------------------------------------------------------

chmod 600 middle
run 0 salvage middle copy
has err "^logfile: middle: corrupt: LSN $epoch to $((epoch + 4096)) cannot be read\$"
has out '^4 records with 14 bytes copied, 1 damages skipped$'
run 0 cat copy
printf 'one\ntwo\nfour\nfive\n' >expected
same out expected
run 0 verify copy
checks=$((checks + 1))
[ "$(stat -c %a copy)" = 600 ] || fail "a copy that more people may read"
same middle untouched
# An OUTPUT that exists is left alone, also where it is the log itself.
cp copy kept
run 3 salvage small copy
one_line_error 'copy: .*File exists'
same copy kept
run 3 salvage small small
one_line_error 'small: .*File exists'
run 0 verify small

run 0 salvage torn copy2
run 0 cat copy2
printf 'a\nbb\nccc\n' >expected
same out expected
cp torn torn2
echo rubbish >>torn2
run 0 salvage torn2 copy3
has err "^logfile: torn2: torn: 8 bytes from LSN $torn_end on"
# A copy has the slots of the log, so that every record fits.
run 0 cat "$golden/sizes.log"
cp out expected
run 0 salvage "$golden/sizes.log" sizes
has out '^21 records '
run 0 cat sizes
same out expected
run 0 stat sizes
has out '^slot_bytes: 8192$'
head -c 8200 /dev/zero >in
run 3 append sizes
one_line_error 'sizes: line 1: longer than a record, which is 8[0-9]* bytes'
: >in
# Damage up to the end: there is nothing to go on with, or nothing to copy.
append gone 'lost\n'
flip gone 20560
run 0 verify copy3
run 2 salvage gone copy4
has out '^0 records with 0 bytes copied, 1 damages skipped$'
run 0 cat copy4
silent out

# ---- A file system that takes no larger files ----------------------------------------------------

# run_bounded ARGUMENT...: with files of at most 12 MiB, which is too few; exits with 3.
run_bounded() {
    checks=$((checks + 1))
    prlimit --fsize=12582912 "$LOGFILE" "$@" <in >out 2>err
    status=$?
    [ $status -eq 3 ] || fail "logfile $* with a bounded file size: exit $status, not 3"
}

if command -v prlimit >/dev/null; then
    awk 'BEGIN { for (i = 1; i <= 14000; i++) printf "%01000d\n", i }' >in
    run_bounded append bounded
    one_line_error '^logfile: bounded: line [0-9]*: File too large$'
    appended=$(($(sed 's/.*: line \([0-9]*\): .*/\1/' err) - 1))
    run 0 verify bounded
    has out "^bounded: clean: $appended records "
    run 0 append unbounded
    run_bounded salvage unbounded bounded-copy
    has err '^logfile: bounded-copy: File too large$'
    copied=$(sed -n 's/^\([0-9]*\) records with .*/\1/p' out)
    : >in
    run 0 verify bounded-copy
    has out "^bounded-copy: clean: $copied records "
else
    echo 'files of a bounded size: not tried, prlimit is not installed'
fi

# ---- Directories of segments ---------------------------------------------------------------------

cp -r "$golden/segments" segments
chmod -R u+w segments
run 0 verify segments
has out '^segments: clean: 10 records in 13 epochs, the last ends at LSN 204800$'
[ "$(wc -l <out)" -eq 1 ] || fail 'more than one line'
run 0 stat segments
for line in 'size: 159744' 'segment_bytes: 45056' 'first_segment: 1' 'segments: 4' \
    'oldest_lsn: 69632' 'end_lsn: 204800' 'records: 10' 'verdict: clean'; do
    has out "^$line\$"
done
run 0 dump segments
has out '^epoch 13: lsn 122880, incarnation 1, flags CLOSE|END, '
run 0 cat --raw segments
[ "$(wc -c <out)" -eq "$(key segments payload_bytes)" ] || fail 'cat and stat count bytes differently'
run 0 cat --raw segments
cp out expected
run 3 cat --from 20000 segments
one_line_error 'segments: position is below the oldest record'
# An append goes on where the log ends, and needs no option for it.
append segments 'more\n'
run 0 cat --from 204800 segments
printf 'more\n' >wanted
same out wanted
run 0 verify segments
has out '^segments: clean: 11 records in 16 epochs'
# What does not belong there is named, and does not matter.
: >segments/note.txt
run 0 verify segments
has out '^segments: foreign file: note.txt$'
run 0 salvage segments one-file
[ -f one-file ] || fail 'the copy is no file'
run 0 cat --raw one-file
printf more >>expected
same out expected
# A segment is no log by itself.
run 3 cat segments/0000000000000002.segment
# One is missing.
mv segments/0000000000000002.segment .
for command in verify stat; do
    run 2 $command segments
done
run 2 verify segments
has out '^segments: damage: 0000000000000002.segment is missing$'
run 2 cat segments
has err 'segments: corrupt: LSN 106496 to 151552 cannot be read: 0000000000000002.segment is missing'
run 2 append segments
has err 'segments: .*corrupt'
run 0 salvage segments rescued
has out '^7 records .* 1 damages skipped$'
has err '0000000000000002.segment is missing'
run 0 stat rescued
mv 0000000000000002.segment segments
run 0 verify segments
# One has another one's place, and something else the place of one that would come later.
mv segments/0000000000000002.segment . && mv segments/0000000000000003.segment segments/0000000000000002.segment
for command in cat append; do
    run 2 $command segments
    has err 'segments: corrupt: LSN 106496 to [0-9]* cannot be read: 0000000000000002.segment is misplaced.*; see logfile salvage PATH OUTPUT$'
done
mv segments/0000000000000002.segment segments/0000000000000003.segment && mv 0000000000000002.segment segments
mkdir segments/0000000000000009.segment
for command in cat append; do
    run 2 $command segments
    has err '^logfile: segments: corrupt from LSN [0-9]*: 0000000000000009.segment is misplaced; see logfile salvage PATH OUTPUT$'
done
rmdir segments/0000000000000009.segment
run 0 verify segments
rm segments/control
run 3 verify segments
one_line_error 'segments: '

# ---- A log that is open elsewhere ----------------------------------------------------------------

mkfifo input
"$LOGFILE" append live <input >live.out 2>live.err &
writer=$!
exec 9>input
printf 'first\nsecond\n' >&9
# Submitted records become durable by themselves; then a reader sees them.
tries=0
until "$LOGFILE" cat live 2>/dev/null | grep -q second; do
    tries=$((tries + 1))
    [ $tries -lt 12000 ] || break
    sleep 0.05
done
run 0 cat live
printf 'first\nsecond\n' >expected
same out expected
run 0 verify live
has out '^live: note: open for appending'
has out '^live: live: 2 records'
run 0 stat live
has out '^verdict: live$'
run 3 append live
one_line_error 'live: .*open for appending elsewhere'
run 0 salvage live copy5
has err 'live: open for appending'
exec 9>&-
wait "$writer"
code=$?
writer=
checks=$((checks + 1))
[ $code -eq 0 ] || fail "the writer: exit $code"
run 0 verify live
has out '^live: clean: 2 records'

# ---- Signals -------------------------------------------------------------------------------------

# interrupt SIGNAL STATUS: what append has read by then is durable, and the log closed.
interrupt() {
    rm -f stopped
    "$LOGFILE" append -v stopped <input >out 2>err &
    writer=$!
    exec 9>input
    printf 'one\ntwo\nthre' >&9
    tries=0
    until "$LOGFILE" cat stopped 2>/dev/null | grep -q two || [ $tries -eq 200 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    kill -s "$1" $writer
    wait $writer
    code=$?
    writer=
    exec 9>&-
    checks=$((checks + 1))
    [ $code -eq "$2" ] || fail "append, $1: exit $code, not $2"
    has err '^logfile: stopped: .*: 2 records are on stable storage, the last LSN is [0-9]*; an unfinished line of 4 bytes'
    has out '^2 records, first LSN [0-9]*, last LSN [0-9]*$'
    run 0 verify stopped
    has out '^stopped: clean: 2 records'
}
interrupt TERM 143
interrupt HUP 129

# ---- Names that would forge a line ---------------------------------------------------------------

forged=$(printf 'log\nother: clean: 99 records\033[2J')
cp small "$forged"
for command in verify stat dump; do
    run 0 $command "$forged"
    checks=$((checks + 1))
    grep -q '^other' out && fail "$command: the name made a line of its own"
done
run 0 verify "$forged"
has out '^log.nother: clean: 99 records.x1b\[2J: clean: 3 records'
flip "$forged" 20560
run 2 cat "$forged"
one_line_error '^logfile: log.nother: clean: 99 records.x1b\[2J: corrupt: '
run 2 append "$forged"
one_line_error '^logfile: log.nother: clean: 99 records.x1b\[2J: corrupt: LSN 20480 to 24576 cannot be read (what follows can); see logfile salvage PATH OUTPUT$'
long=$(printf '%0200d' 0)
mkdir "$long"
cp small "$long/$forged"
flip "$long/$forged" 20560
run 2 append "$long/$forged"
one_line_error '^logfile: \.\.\.0*/log.nother: clean: 99 records.x1b\[2J: corrupt: LSN .*; see logfile salvage PATH OUTPUT$'

# ---- trim ----------------------------------------------------------------------------------------

awk 'BEGIN { for (i = 1; i <= 3000; i++) printf "%01000d\n", i }' >in
run 0 append trimmed
: >in
middle=$("$LOGFILE" dump trimmed | sed -n 's/^epoch [0-9]*: lsn \([0-9]*\),.*flags -.*/\1/p' | tail -n 1)
run 0 trim --before "$((middle + 100))" trimmed
has out "^oldest LSN $middle, [0-9]* bytes given back\$"
silent err
[ "$(key trimmed oldest_lsn)" = "$middle" ] || fail "the oldest LSN is $(key trimmed oldest_lsn)"
run 0 verify trimmed
run 3 cat --from 16384 trimmed
run 0 trim trimmed --before 16384 # nothing is left to be given back
has out "^oldest LSN $middle, 0 bytes given back\$"
run 3 trim --before 1099511627776 trimmed
one_line_error '^logfile: trimmed: position is above the end of the log, which is LSN [0-9]*$'
run 2 trim --before 16385 middle
one_line_error '^logfile: middle: corrupt: .*; see logfile salvage PATH OUTPUT$'
"$LOGFILE" append locked <input >live.out 2>live.err &
writer=$!
exec 9>input
echo held >&9
tries=0
until "$LOGFILE" cat locked 2>/dev/null | grep -q held || [ $tries -eq 200 ]; do
    tries=$((tries + 1))
    sleep 0.05
done
run 3 trim --before 16384 locked
one_line_error 'locked: .*open for appending elsewhere'
exec 9>&-
wait "$writer"
writer=

# On a full disk a trim by hand is the way out: appends are refused before it, and go on after it.
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>unshare.err; then
    checks=$((checks + 1))
    mkdir full
    # shellcheck disable=SC2016 # it is the inner shell that expands
    unshare -m sh -c '
        mount -t tmpfs -o size=24m tmpfs full || exit 9
        head -c 40000000 /dev/zero | tr "\0" x | fold -w 4000 | "$0" append full/log 2>full.err
        [ $? -eq 3 ] && grep -q "No space left" full.err || exit 1
        cat /dev/zero >full/other 2>other.err
        echo more | "$0" append full/log 2>full.err
        [ $? -eq 3 ] && grep -q "No space left" full.err || exit 2
        lsn=$("$0" stat full/log | sed -n "s/^end_lsn: //p")
        "$0" trim full/log --before "$lsn" >out 2>err || exit 3
        echo more | "$0" append full/log 2>err || exit 4
        [ "$("$0" cat full/log | tail -n 1)" = more ] || exit 5
    ' "$LOGFILE"
    code=$?
    [ $code -eq 0 ] || [ $code -eq 9 ] || fail "trim on a full disk: step $code: $(cat full.err err 2>/dev/null)"
else
    echo 'trim on a full disk: not tried, needs root and a mount'
fi

# ---- The embedding example -----------------------------------------------------------------------

example=${LOGFILE%/*}/docs/examples/embed
checks=$((checks + 1))
"$example" >out 2>err || fail "the example: exit $?"
has out 'hello'
run 0 verify orders.log

echo "$checks checks, $failures failures"
[ $failures -eq 0 ]
