#!/bin/sh
# SPDX-License-Identifier: MIT
# bench-sweep, with a bench that measures nothing.
exec /bin/sh "${srcdir:-.}/tests/bench/test_scripts.sh" sweep
