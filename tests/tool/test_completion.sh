#!/bin/sh
# SPDX-License-Identifier: MIT
# The completion for bash: it loads, and knows every command and every option that the program knows.
# LOGFILE is the program, srcdir the source tree.
set -u

: "${LOGFILE:?is the program to test}"
if ! bash -c '[ "${BASH_VERSINFO[0]}" -ge 4 ]' 2>/dev/null; then
    echo "bash, 4 or later, is not installed"
    exit 77
fi
script=$(cd "${srcdir:-.}" && pwd)/src/tool/completion/logfile
here=$(mktemp -d "$PWD/test-completion-XXXXXX") || exit 1
trap 'rm -rf "$here"' EXIT
trap 'exit 1' HUP INT TERM
cd "$here" || exit 1
mkdir folder
: >orders.log
: >"two words.log"
: >-dash.log

failures=0
# completes EXPECTED WORD...: those words, sorted, with a blank between them, complete the last one.
completes() {
    expected=$1
    shift
    got=$(bash --norc -c '
        source "$1" && shift || exit 1
        [[ $(complete -p logfile) == *_logfile* ]] || exit 1
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _logfile logfile "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" || exit 1
        ((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}" | LC_ALL=C sort | tr "\n" " "
    ' bash "$script" "$@" 2>&1) || got="failed: $got"
    got=${got% }
    [ "$got" = "$expected" ] || {
        echo "FAIL: $*: \"$got\", not \"$expected\""
        failures=$((failures + 1))
    }
}

# sorted WORD...
sorted() {
    printf '%s\n' "$@" | LC_ALL=C sort -u | tr '\n' ' ' | sed 's/ $//'
}

commands=$("$LOGFILE" --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
# shellcheck disable=SC2086 # a list of words
completes "$(sorted $commands --help --version)" logfile ''
completes 'salvage stat' logfile s
completes '--help --version' logfile --
for command in $commands; do
    # From the first line, and from the lines about single options.
    options=$("$LOGFILE" "$command" --help | grep '^  -' | grep -o -e '\(^\|[ ,]\)--*[a-z0-9]*' | tr -d ' ,')
    # shellcheck disable=SC2086
    completes "$(sorted $options --help --version)" logfile "$command" -
    completes 'orders.log' logfile "$command" ord
    completes 'two words.log' logfile "$command" two
    completes '-dash.log' logfile "$command" -- -d
    completes 'folder' logfile "$command" fo
done
completes 'folder' logfile salvage orders.log fo
completes '--records' logfile dump orders.log --r
completes '--json' logfile stat --quick --j
for option in --from --to -n --count; do
    completes '' logfile cat $option ''
    completes '' logfile cat $option o
done
completes '' logfile cat --from = o
completes '' logfile trim --before o
completes '' logfile frobnicate ''
completes '' logfile frobnicate -

[ $failures -eq 0 ] && echo 'every word is completed'
