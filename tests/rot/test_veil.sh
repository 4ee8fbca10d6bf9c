#!/bin/sh
# SPDX-License-Identifier: MIT
# Copies of headers and marks that are damaged are judged, and not looked at otherwise: valgrind, which is
# told that none of their bytes has a value, finds no decision that depends on one but in the functions
# that judge them. So each damage that these refuse is as good as any other, and test_rot tries all of
# one byte on them (each_change_of_a_copy_is_refused).
set -u

test_rot=tests/rot/test_rot
if ! command -v valgrind >/dev/null || ! [ -r /usr/include/valgrind/memcheck.h ]; then
    echo "valgrind is not installed"
    exit 77
fi
here=$(mktemp -d "$PWD/test-veil-XXXXXX") || exit 1
trap 'rm -rf "$here"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$here/judges" <<'EOF'
{
   of a header
   Memcheck:Cond
   ...
   fun:lf_file_header_judge
}
{
   of a trim mark
   Memcheck:Cond
   ...
   fun:lf_trim_mark_check
}
EOF

# look SUPPRESSIONS...: its exit status; what is found is in the file `found`.
look() {
    CK_FORK=no CK_RUN_CASE=veil ./libtool --mode=execute valgrind --error-exitcode=9 "$@" \
        $test_rot >"$here/found" 2>&1
}

look
if [ $? -ne 9 ] || ! grep -q lf_file_header_judge "$here/found" ||
    ! grep -q lf_trim_mark_check "$here/found"; then
    cat "$here/found"
    echo "valgrind does not see that the functions which judge a copy look at it"
    exit 1
fi
if ! look --suppressions="$here/judges"; then
    cat "$here/found"
    echo "something else than the functions which judge a copy looks at one that is damaged"
    exit 1
fi
grep 'one copy damaged' "$here/found"
