/* SPDX-License-Identifier: MIT */
/* The limits of cgroups, of memory and of processors' time, read from trees of files as the kernel shows them. */
#include "../../bench/cgroup.h"
#include "support.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void setup(void)
{
    enter_folder();
}

static void teardown(void)
{
    leave_folder();
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(folder_path(name), "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* The mount of one hierarchy, seen at the folder "mount", among others. */
static void write_mounts(const char *root, const char *type, const char *options)
{
    char text[2 * PATH_MAX];

    snprintf(text, sizeof text,
             "22 1 8:1 / / rw shared:1 - ext4 /dev/root rw\n"
             "30 22 0:26 %s %s rw,nosuid shared:4 - %s cgroup %s\n"
             "31 22 0:27 / /nowhere rw - cgroup cgroup rw,cpu\n",
             root, folder_path("mount"), type, options);
    write_file("mountinfo", text);
    ck_assert_int_eq(mkdir(folder_path("mount"), 0700), 0);
    ck_assert_int_eq(mkdir(folder_path("mount/outer"), 0700), 0);
    ck_assert_int_eq(mkdir(folder_path("mount/outer/inner"), 0700), 0);
}

static uint64_t limit(void)
{
    char cgroup[PATH_MAX];

    snprintf(cgroup, sizeof cgroup, "%s", folder_path("cgroup"));
    return bench_memory_limit_of(cgroup, folder_path("mountinfo"));
}

static double quota(void)
{
    char cgroup[PATH_MAX];

    snprintf(cgroup, sizeof cgroup, "%s", folder_path("cgroup"));
    return bench_cpu_quota_of(cgroup, folder_path("mountinfo"));
}

START_TEST(version_2_takes_the_least_limit_of_the_path)
{
    write_mounts("/", "cgroup2", "rw");
    write_file("cgroup", "1:name=systemd:/elsewhere\n0::/outer/inner\n");
    ck_assert_uint_eq(limit(), UINT64_MAX);
    write_file("mount/outer/inner/memory.max", "max\n");
    ck_assert_uint_eq(limit(), UINT64_MAX);
    write_file("mount/outer/memory.max", "2000000\n");
    ck_assert_uint_eq(limit(), 2000000);
    write_file("mount/outer/inner/memory.max", "1000000\n");
    ck_assert_uint_eq(limit(), 1000000);
    write_file("mount/memory.max", "500000\n");
    ck_assert_uint_eq(limit(), 500000);
}
END_TEST

START_TEST(version_1_has_a_hierarchy_of_its_own)
{
    write_mounts("/", "cgroup", "rw,memory");
    write_file("cgroup", "4:cpu,memory:/outer/inner\n3:cpuset:/outer\n0::/\n");
    write_file("mount/memory.limit_in_bytes", "9223372036854771712\n");
    ck_assert_uint_eq(limit(), UINT64_C(9223372036854771712));
    write_file("mount/outer/inner/memory.limit_in_bytes", "3000000\n");
    ck_assert_uint_eq(limit(), 3000000);
    write_file("cgroup", "3:cpuset:/outer/inner\n");
    ck_assert_uint_eq(limit(), UINT64_MAX);
}
END_TEST

/* A container sees its own group as the root of the mount, and may be told its name outside. */
START_TEST(groups_are_found_below_the_root_that_is_mounted)
{
    write_mounts("/docker/abc", "cgroup", "rw,memory");
    write_file("mount/memory.limit_in_bytes", "7000000\n");
    write_file("mount/outer/memory.limit_in_bytes", "6000000\n");
    write_file("cgroup", "4:memory:/docker/abc\n");
    ck_assert_uint_eq(limit(), 7000000);
    write_file("cgroup", "4:memory:/docker/abc/outer\n");
    ck_assert_uint_eq(limit(), 6000000);
    write_file("cgroup", "4:memory:/docker/abcd\n"); /* another group, which cannot be seen */
    ck_assert_uint_eq(limit(), 7000000);
}
END_TEST

START_TEST(nothing_to_read_is_no_limit)
{
    ck_assert_uint_eq(limit(), UINT64_MAX);
    write_mounts("/", "cgroup2", "rw");
    ck_assert_uint_eq(limit(), UINT64_MAX);
    write_file("cgroup", "rubbish\n\n::\n");
    ck_assert_uint_eq(limit(), UINT64_MAX);
    ck_assert_uint_gt(bench_memory_limit(), 0);
    ck_assert(quota() == HUGE_VAL);
    ck_assert(bench_cpu_quota() > 0);
}
END_TEST

START_TEST(processors_of_version_2_are_a_quota_in_a_period)
{
    write_mounts("/", "cgroup2", "rw");
    write_file("cgroup", "0::/outer/inner\n");
    write_file("mount/outer/inner/cpu.max", "max 100000\n");
    ck_assert(quota() == HUGE_VAL);
    write_file("mount/outer/cpu.max", "150000 100000\n");
    ck_assert_double_eq_tol(quota(), 1.5, 1e-9);
    write_file("mount/outer/inner/cpu.max", "20000 10000\n");
    ck_assert_double_eq_tol(quota(), 1.5, 1e-9);
    write_file("mount/outer/inner/cpu.max", "2500 10000\n");
    ck_assert_double_eq_tol(quota(), 0.25, 1e-9);
}
END_TEST

START_TEST(processors_of_version_1_are_in_two_files)
{
    write_mounts("/", "cgroup", "rw,cpu,cpuacct");
    write_file("cgroup", "4:cpu,cpuacct:/outer/inner\n3:memory:/\n");
    write_file("mount/outer/inner/cpu.cfs_quota_us", "-1\n");
    write_file("mount/outer/inner/cpu.cfs_period_us", "100000\n");
    ck_assert(quota() == HUGE_VAL);
    write_file("mount/outer/cpu.cfs_quota_us", "300000\n");
    ck_assert(quota() == HUGE_VAL);
    write_file("mount/outer/cpu.cfs_period_us", "100000\n");
    ck_assert_double_eq_tol(quota(), 3, 1e-9);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench_cgroup");
    TCase *tests = tcase_create("cgroup");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, version_2_takes_the_least_limit_of_the_path);
    tcase_add_test(tests, version_1_has_a_hierarchy_of_its_own);
    tcase_add_test(tests, groups_are_found_below_the_root_that_is_mounted);
    tcase_add_test(tests, nothing_to_read_is_no_limit);
    tcase_add_test(tests, processors_of_version_2_are_a_quota_in_a_period);
    tcase_add_test(tests, processors_of_version_1_are_in_two_files);
    suite_add_tcase(suite, tests);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
