#!/bin/sh
# SPDX-License-Identifier: MIT
# The worked example of docs/FORMAT.md is the golden file that it names, to the last byte, and the
# independent reader reads from it what the page says.
set -eu

source=${srcdir:-.}
folder=$(mktemp -d ./test_format_example.XXXXXX)
trap 'rm -rf "$folder"' EXIT
golden=$source/tests/unit/golden/tiny.log

sed -n '/^```$/,/^```$/p' "$source/docs/FORMAT.md" | grep -v '^```$' >"$folder/page"
od -A d -t x1 "$golden" >"$folder/file"
diff "$folder/page" "$folder/file"

cat >"$folder/expected" <<'END'
record 20560 5 9a71bb4c
record 20576 0 00000000
verdict CLEAN 28672 28672
END
tests/support/independent_reader "$golden" >"$folder/found"
diff "$folder/expected" "$folder/found"
