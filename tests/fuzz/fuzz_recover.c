/* SPDX-License-Identifier: MIT */
/* A hostile log is opened for appending: libFuzzer's way in.  scripts/fuzz builds and runs it. */
#define FUZZ_TARGET fuzz_target_recover

#include "fuzz_main.h"
