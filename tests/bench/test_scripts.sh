#!/bin/sh
# SPDX-License-Identifier: MIT
# bench-sweep, bench-compare, bench-report, plot, and what bars and soak share, with results that no bench measured;
# cycle also with a trace that is made here, if that may be.
set -u

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo "python3, 3.9 or later, is not installed"
    exit 77
fi
tests=$(cd "${srcdir:-.}" && pwd)/tests/bench/scripts
here=$(mktemp -d ./test-bench-scripts-XXXXXX) || exit 1
trap 'rm -rf "$here"' EXIT
trap 'exit 1' HUP INT TERM
here=$(cd "$here" && pwd)
cd "$here" || exit 1

failures=0
for test in stats results figures compare explain report plot sweep quickstart cycle browser; do
    echo "== test_$test.py"
    python3 -B -W error "$tests/test_$test.py" -v 2>&1 || failures=$((failures + 1))
done
[ $failures -eq 0 ] || { echo "FAILED: $failures of the files above" && exit 1; }
