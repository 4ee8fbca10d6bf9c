#!/bin/sh
# SPDX-License-Identifier: MIT
# scripts/plant-bug: what it finds however the code is laid out, and what it says of a bug that does
# not fit.
set -u

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo "python3, 3.9 or later, is not installed"
    exit 77
fi
script=$(cd "${srcdir:-.}" && pwd)/scripts/plant-bug
here=$(mktemp -d ./test-plant-bug-XXXXXX) || exit 1
trap 'rm -rf "$here"' EXIT
trap 'exit 1' HUP INT TERM
cd "$here" || exit 1
mkdir -p scripts tests/planted
cp "$script" scripts/plant-bug || exit 1

fresh_tree() {
    rm -rf tree
    mkdir -p tree/src/ring tree/src/base tree/bench
    cat >tree/src/ring/flush.c <<'END'
#include "flush.h"

static int settle(struct log *log, int lsn);

static const struct io table = {
    .sync = sync_file,
};

static int settle(struct log *log,
                  int lsn)
{
    if (lsn > /* not "equal": /* */
        log->durable_lsn) // see 'D1
        return -EINVAL;
#ifdef SLOW
    usleep(1);
#endif
    note(log, "a; b");
    return 0;
}

int lf_flush(struct log *log)
{
    note(log, "a; b");
    if (settle(log, 1) != 0) {
        return 0;
    }
    return 0;
}
END
    cat >tree/src/base/num.h <<'END'
#define LF_ROUND(n) \
    ((n) + 7 &      \
     ~7)
struct pair {
    int first, second;
};
static inline int settle(int n)
{
    return n + 1;
}
END
}

# bug FIELD...: the table, of one bug.
bug() {
    {
        printf '# A table.\n\nname: a-bug\nwhat: it is wrong\nlayer: ring\n'
        printf 'promise: none\ncaught by: tests/none\n'
        printf '%s\n' "$@"
    } >tests/planted/some.bugs
    fresh_tree
}

failures=0
fail() {
    echo "FAIL: $case: $1"
    failures=$((failures + 1))
}

# plants CASE FILE CODE: the file changes, and has the code then, white space aside.
plants() {
    case=$1
    said=$(python3 -B scripts/plant-bug tree a-bug 2>&1) || fail "$said"
    [ "$said" = "$2" ] || fail "it says that it changed '$said', not $2"
    tr -d ' \n' <"tree/$2" | grep -Fq -e "$(printf %s "$3" | tr -d ' \n')" || fail "$(cat "tree/$2")"
}

# refuses CASE TEXT: with that text in the message, and the sources as they were.
refuses() {
    case=$1
    cp -r tree before
    if said=$(python3 -B scripts/plant-bug tree a-bug 2>&1); then
        fail "it fits"
    elif [ "${said#a-bug: }" != "$2" ]; then
        fail "it says '$said'"
    fi
    diff -r before tree || fail "the sources changed"
    rm -rf before
}

bug 'in: settle' 'old: if (lsn > log->durable_lsn)' '    return -EINVAL;' 'new:'
plants "lines and comments do not matter" src/ring/flush.c 'int lsn) { #ifdef SLOW'

bug 'in: settle' 'old:' '    return n+1;' 'new:' '    n += 2;' '    return n;'
plants "of two functions of a name, the one that has the code" src/base/num.h '{ n += 2; return n; }'

bug 'in: LF_ROUND' 'old: ~7' 'new: ~15'
plants "a macro" src/base/num.h '&\~15)'

bug 'in: pair' 'old: second' 'new: third'
plants "a type" src/base/num.h 'int first, third;'

bug 'in: table' 'old: .sync = sync_file,' 'new:'
plants "a variable" src/ring/flush.c 'table = { };'

bug 'in: lf_flush' 'old: settle(log, 1)' 'new: settle(log, 2)' \
    'in: lf_flush' 'old: settle(log, 2) != 0' 'new: settle(log, 2) > 0'
plants "two changes, one after the other" src/ring/flush.c 'if (settle(log, 2) > 0)'

bug 'file: flush.c' 'old: "a; b"); return' 'new: "c"); return'
plants "by its file alone" src/ring/flush.c 'note(log, "c"); return 0'

bug 'old: n + 1' 'new: n'
plants "by the code alone" src/base/num.h 'return n;'

bug 'in: lf_flush' 'old: note(log, "a;b");' 'new:'
refuses "white space within a string matters" 'the old code is not in lf_flush of src/ring/flush.c'

bug 'in: lf_flush' 'old: return 0;' 'new: return 1;'
refuses "twice in a function" \
    'the old code is 2 times in lf_flush: at src/ring/flush.c:26, src/ring/flush.c:28'

bug 'in: settle' 'old: settle' 'new: settled'
refuses "twice in two functions" \
    'the old code is 2 times in settle: at src/base/num.h:7, src/ring/flush.c:9'

bug 'in: settle' 'file: base/num.h' 'old: settle' 'new: settled'
plants "the file tells which" src/base/num.h 'int settled(int n)'

bug 'in: settle' 'file: m.h' 'old: settle' 'new: settled'
refuses "the end of a name is no file" 'there is no settle of m.h; it is at'\
' src/base/num.h:7, src/ring/flush.c:3, src/ring/flush.c:9, src/ring/flush.c:25'

bug 'in: lf_ring_flush' 'old: settle(log, 1)' 'new: settle(log, 2)'
refuses "a function of another name" 'there is no lf_ring_flush; it is at src/ring/flush.c:25'

bug 'in: settle' 'file: flush.c' 'old: n + 1' 'new: n'
refuses "code that moved" 'the old code is not in settle of src/ring/flush.c; it is at src/base/num.h:9'

bug 'in: settle' 'old: n + 1' 'new: n' 'in: lf_flush' 'old: absent()' 'new:'
refuses "the second change does not fit" 'the old code is not in lf_flush of src/ring/flush.c'

bug 'in: settle' 'old: n + 1' 'new: n /* more */ + 1'
refuses "a change that is none" 'a change replaces code by the same'

bug 'in: settle' 'old: n + 1'
refuses "a change without its end" "each change ends with 'new:', and there is no bug without one"

bug 'in: settle' 'odl: n + 1' 'new:'
refuses "a key that there is not" \
    "some.bugs:9: neither 'key: value' nor code that goes on"

bug 'in: settle' 'old: n + 1' 'new: n' '' 'name: a-bug'
refuses "two of a name" '2 bugs have this name'

[ $failures -eq 0 ] || { echo "FAILED: $failures" && exit 1; }
