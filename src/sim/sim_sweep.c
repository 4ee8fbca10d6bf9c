/* SPDX-License-Identifier: MIT */
/*
 * A crash at every call that changes something, with several fates of each.
 */
#include "logfile_sim.h"

#include "sim/reserved.h"

#include <errno.h>

/* 0: the case went well; 1: it did not. */
static int run_case(const struct logfile_sim_sweep *sweep, struct logfile_sim_sweep_result *result)
{
    struct logfile_sim *disk = logfile_sim_new(sweep->options);

    if (disk == NULL)
        return -ENOMEM;
    /* 1. The work, into the crash. */
    logfile_sim_crash_at(disk, result->crash_at);
    result->in_check = false;
    result->result = sweep->work(disk, sweep->arg);
    result->crash_call = logfile_sim_crash_call(disk);
    result->case_count++;
    /* 2. What the disk has then; seed 0 stands for the worst honest one. */
    if (result->result == 0) {
        if (result->seed == 0)
            logfile_sim_reboot_losing_all(disk);
        else
            logfile_sim_reboot(disk, result->seed);
        result->in_check = true;
        result->result = sweep->check(disk, sweep->arg);
    }
    logfile_sim_free(disk);
    return result->result != 0;
}

/* Every crash, and every fate of each, until the work is through before it strikes. */
static int run_all(const struct logfile_sim_sweep *sweep, struct logfile_sim_sweep_result *result)
{
    const uint64_t seed_count = sweep->seed_count == 0 ? 8 : sweep->seed_count;
    int error = 0;

    do {
        result->crash_at++;
        for (uint64_t seed = 0; seed < seed_count && error == 0; seed++) {
            result->seed = seed;
            error = run_case(sweep, result);
        }
    } while (error == 0 && result->crash_call != LOGFILE_SIM_CALL_COUNT);
    return error;
}

int logfile_sim_sweep(const struct logfile_sim_sweep *sweep,
                      struct logfile_sim_sweep_result *result, size_t size)
{
    struct logfile_sim_sweep_result here = {.crash_call = LOGFILE_SIM_CALL_COUNT};

    if (sweep == NULL || sweep->work == NULL || sweep->check == NULL ||
        !lf_sim_is_zero(sweep->reserved, sizeof sweep->reserved) ||
        (sweep->options != NULL &&
         !lf_sim_is_zero(sweep->options->reserved, sizeof sweep->options->reserved)))
        return -EINVAL;
    here.crash_at = sweep->crash_at;
    here.seed = sweep->seed;
    int error = sweep->crash_at != 0 ? run_case(sweep, &here) : run_all(sweep, &here);
    lf_sim_copy_out(result, size, &here, sizeof here);
    return error;
}
