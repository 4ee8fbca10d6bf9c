#!/bin/sh
# SPDX-License-Identifier: MIT
# bench-compare, plot, and what bars and soak share, with results that no bench measured; cycle also with a trace that
# is made here, if that may be. With names: tests/bench/scripts/test_NAME.py of each; test_report.sh and test_sweep.sh
# are two more, so that they run side by side.
set -u

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo "python3, 3.9 or later, is not installed"
    exit 77
fi
# The interpreter itself, which hundreds of processes start: python3 may be a script that looks for it.
PATH=$(python3 -c 'import os, sys; print(os.path.dirname(sys.executable))'):$PATH
tests=$(cd "${srcdir:-.}" && pwd)/tests/bench/scripts
here=$(mktemp -d ./test-bench-scripts-XXXXXX) || exit 1
trap 'rm -rf "$here"' EXIT
trap 'exit 1' HUP INT TERM
here=$(cd "$here" && pwd)
cd "$here" || exit 1

failures=0
[ $# -gt 0 ] || set -- stats results figures compare explain plot quickstart cycle
for test; do
    echo "== test_$test.py"
    python3 -B -W error "$tests/test_$test.py" -v 2>&1 || failures=$((failures + 1))
done
[ $failures -eq 0 ] || { echo "FAILED: $failures of the files above" && exit 1; }
