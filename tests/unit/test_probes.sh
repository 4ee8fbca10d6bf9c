#!/bin/sh
# SPDX-License-Identifier: MIT
# The probes that docs/OBSERVING.md names are in the program and in the shared library, each with as many
# arguments, and no others; none in a build without them.
set -eu

: "${LOGFILE:?}" "${LOGFILE_PROBES:?}"
page=${srcdir:-../..}/docs/OBSERVING.md
if ! command -v readelf >/dev/null; then
    echo "readelf is not installed"
    exit 77
fi

# Name and number of arguments, of each probe of ours.
probes_of() {
    readelf --notes --wide "$1" 2>/dev/null | awk '
        / Provider: / { ours = $NF == "logfile" }
        $1 == "Name:" { name = $2 }
        $1 == "Arguments:" && ours { print name, NF - 1 }' | sort -u
}

documented=
if [ "$LOGFILE_PROBES" = yes ]; then
    # A row of the table: | `name` | `argument`, `argument` | when |
    documented=$(awk -F'|' '/^\| `[a-z]+` \|/ {
        gsub(/[ `]/, "", $2)
        print $2, gsub(/,/, "", $3) + 1 }' "$page" | sort)
    [ -n "$documented" ] || {
        echo "test_probes: $page names no probes" >&2
        exit 1
    }
fi

folder=$(dirname "$LOGFILE")
count=0
for file in "$LOGFILE" "$folder/.libs/logfile" "$folder/.libs/liblogfile.so"; do
    # libtool's wrappers are scripts.
    [ -f "$file" ] && readelf -h "$file" >/dev/null 2>&1 || continue
    found=$(probes_of "$file")
    count=$((count + 1))
    if [ "$found" != "$documented" ]; then
        printf 'test_probes: %s has\n%s\nand not\n%s\n' "$file" "$found" "$documented" >&2
        exit 1
    fi
done
[ $count -gt 0 ] || {
    echo "test_probes: no program to look at" >&2
    exit 1
}
