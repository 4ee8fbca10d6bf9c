#!/bin/sh
# SPDX-License-Identifier: MIT
# scripts/check-model: what it refuses, and that the models pass and every planted bug is caught.
set -u

source=$(cd "${srcdir:-.}" && pwd)
check=$source/scripts/check-model
for tool in spin gcc; do
    if ! command -v $tool >/dev/null; then
        echo "$tool is missing"
        exit 77
    fi
done
if [ "${LF_SCALE-}" = small ]; then
    echo "the models do not depend on how the library is built: tried where LF_SCALE is not small"
    exit 77
fi
here=$(mktemp -d ./test-model-XXXXXX) || exit 1
trap 'rm -rf "$here"' EXIT
trap 'exit 1' HUP INT TERM

for arguments in wurst --variant "--jobs 0" "--minutes x" "--build"; do
    # shellcheck disable=SC2086 # a list of words
    "$check" $arguments >"$here/stdout" 2>"$here/stderr"
    code=$?
    if [ $code -ne 2 ] || [ -s "$here/stdout" ] || ! grep -q '^usage: ' "$here/stderr"; then
        echo "FAILED: check-model $arguments: exit $code, not 2 with its usage"
        exit 1
    fi
done
"$check" --build "$here" --variant wurst >"$here/stdout" 2>&1
if [ $? -ne 2 ] || ! grep -q "no variant is called 'wurst'" "$here/stdout"; then
    echo "FAILED: check-model took a variant that is none"
    exit 1
fi

if [ -n "${LF_LONG-}" ]; then
    "$check" --build "$here/models" --long
else
    "$check" --build "$here/models"
fi
