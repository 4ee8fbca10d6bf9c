#!/bin/sh
# SPDX-License-Identifier: MIT
# The example of a replicated store, three servers of it: leaders are killed and stopped while clients use it,
# and what they saw is checked. With LF_LONG 1,000 leaders are killed, which takes about 10 minutes, and 60 at most.
set -eu

command -v python3 >/dev/null || {
    echo "python3 is missing"
    exit 77
}
kills=8 seconds=8 election_ms=300
[ -z "${LF_LONG-}" ] || kills=1000 seconds=3600 election_ms=120
exec python3 "${srcdir:-.}/tests/raft/kv_history.py" docs/examples/raft_kv $kills $seconds $election_ms
