#!/bin/sh
# SPDX-License-Identifier: MIT
# bench-report: the page, also in a browser if there is one.
exec /bin/sh "${srcdir:-.}/tests/bench/test_scripts.sh" report browser
