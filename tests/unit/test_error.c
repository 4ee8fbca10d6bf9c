/* SPDX-License-Identifier: MIT */
/* logfile_strerror: every code has a text of its own, and no text is ever overwritten. */
#include "logfile.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int library_codes[] = {
    LOGFILE_ECORRUPT,  LOGFILE_ETOOBIG,   LOGFILE_ECLOSED, LOGFILE_EFAILED,
    LOGFILE_ELOCKED,   LOGFILE_EFORMAT,   LOGFILE_EFORKED, LOGFILE_ETRIMMED,
    LOGFILE_EMISMATCH, LOGFILE_EIDENTITY, LOGFILE_EBEYOND,
};
#define LIBRARY_CODE_COUNT (sizeof(library_codes) / sizeof(library_codes[0]))

START_TEST(success_is_zero_and_above)
{
    ck_assert_str_eq(logfile_strerror(0), "success");
    ck_assert_str_eq(logfile_strerror(1), "success");
    ck_assert_str_eq(logfile_strerror(INT_MAX), "success");
}
END_TEST

START_TEST(the_library_is_of_this_header)
{
    ck_assert_str_eq(logfile_version(), LOGFILE_VERSION_STRING);
}
END_TEST

START_TEST(library_codes_have_different_texts)
{
    for (size_t i = 0; i < LIBRARY_CODE_COUNT; i++) {
        const char *text = logfile_strerror(library_codes[i]);
        ck_assert_str_ne(text, "unknown error");
        ck_assert_str_ne(text, "success");
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(text, logfile_strerror(library_codes[j]));
    }
}
END_TEST

/* A disk that times out is no deadline, and a kernel without a call no version of this library. */
START_TEST(each_errno_has_the_system_text)
{
    for (int code = 1; code < 4096; code++)
        if (strerrordesc_np(code) != NULL)
            ck_assert_str_eq(logfile_strerror(-code), strerrordesc_np(code));
}
END_TEST

/* What has none is told by its number: drivers let out errors of the kernel's own, from 512 on. */
START_TEST(each_errno_without_a_text_is_named_by_its_number)
{
    unsigned count = 0;

    for (int code = 1; code < 1000; code++) {
        char start[32];
        int length = snprintf(start, sizeof start, "system error %d", code);
        const char *text = logfile_strerror(-code);
        if (strerrordesc_np(code) != NULL)
            continue;
        count++;
        ck_assert_msg(strncmp(text, start, (size_t)length) == 0 &&
                          (text[length] == '\0' || text[length] == ' '),
                      "%d: %s", code, text);
    }
    ck_assert_uint_ge(count, 532 - 512);
    ck_assert_str_eq(logfile_strerror(-41), "system error 41"); /* a gap in the list */
    ck_assert_str_eq(logfile_strerror(-517), "system error 517");
    ck_assert_str_eq(logfile_strerror(-524),
                     "system error 524 (ENOTSUPP): operation not supported");
    ck_assert_str_eq(logfile_strerror(-999), "system error 999");
}
END_TEST

START_TEST(unknown_codes_are_named_so)
{
    static const int codes[] = {-1000, -4000, -4095, -4096, -5000, -5012, INT_MIN, INT_MIN + 1};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        ck_assert_str_eq(logfile_strerror(codes[i]), "unknown error");
}
END_TEST

/* A text that lived in a shared buffer would change when the next error is named. */
START_TEST(texts_stay)
{
    static const char *texts[6000];
    static char copies[6000][96];
    const int lowest = -6000;

    for (int error = 0; error > lowest; error--) {
        texts[-error] = logfile_strerror(error);
        ck_assert_ptr_nonnull(texts[-error]);
        ck_assert_uint_lt(strlen(texts[-error]), sizeof(copies[0]));
        strcpy(copies[-error], texts[-error]);
    }
    for (int error = 0; error > lowest; error--) {
        ck_assert_str_eq(texts[-error], copies[-error]);
        ck_assert_ptr_eq(texts[-error], logfile_strerror(error));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("error");
    TCase *tests = tcase_create("strerror");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, success_is_zero_and_above);
    tcase_add_test(tests, the_library_is_of_this_header);
    tcase_add_test(tests, library_codes_have_different_texts);
    tcase_add_test(tests, each_errno_has_the_system_text);
    tcase_add_test(tests, each_errno_without_a_text_is_named_by_its_number);
    tcase_add_test(tests, unknown_codes_are_named_so);
    tcase_add_test(tests, texts_stay);
    suite_add_tcase(suite, tests);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
