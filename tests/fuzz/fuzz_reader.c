/* SPDX-License-Identifier: MIT */
/* A hostile log is read: libFuzzer's way in.  scripts/fuzz builds and runs it. */
#define FUZZ_TARGET fuzz_target_reader

#include "fuzz_main.h"
