/* SPDX-License-Identifier: MIT */
#include "build.h"

#include "bench/build_info.h"

const char *bench_commit(void)
{
    return BENCH_COMMIT;
}

const char *bench_compiler(void)
{
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

const char *bench_cflags(void)
{
    return BENCH_CFLAGS;
}

void bench_print_build(FILE *out)
{
    const char *commit = bench_commit();
    const char *flags = bench_cflags();
    if (commit[0] != '\0')
        fprintf(out, "commit %s, ", commit);
    fprintf(out, "%s%s%s\n", bench_compiler(), flags[0] != '\0' ? " " : "", flags);
}
