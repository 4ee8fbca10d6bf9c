#!/bin/sh
# SPDX-License-Identifier: MIT
# What the logfile program prints, read as other programs read it: JSON, Prometheus, acknowledgements
# and a followed log. LOGFILE is the program, srcdir the source tree.
set -u

: "${LOGFILE:?is the program to test}"
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo "python3, 3.9 or later, is not installed"
    exit 77
fi
source=$(cd "${srcdir:-.}" && pwd)
here=$(mktemp -d "$PWD/test-tool-output-XXXXXX") || exit 1
trap 'rm -rf "$here"' EXIT
trap 'exit 1' HUP INT TERM
cd "$here" || exit 1
SOURCE=$source python3 -B -W error "$source/tests/tool/tool_output.py" -v 2>&1
