/* SPDX-License-Identifier: MIT */
#include "raft_model.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------
 * What an entry is.
 */

static uint64_t seed_of(raft_index index, raft_term term)
{
    return index * 1000003 + term;
}

size_t model_size(const struct raft_model *model, raft_index index, raft_term term)
{
    struct rng rng = {.state = seed_of(index, term)};
    uint64_t kind = rng_below(&rng, 16);

    if (kind == 0)
        return 0;
    return rng_below(&rng, kind == 1 ? model->data_max : model->data_max / 64 + 1);
}

static struct raft_entry make_entry(const struct raft_model *model, raft_index index,
                                    raft_term term)
{
    struct raft_entry entry = {.term = term,
                               .type = index % 7 == 3 ? RAFT_BARRIER : RAFT_COMMAND,
                               .buf = {.len = model_size(model, index, term)}};

    entry.buf.base = malloc(entry.buf.len + 1);
    payload_fill(entry.buf.base, entry.buf.len, seed_of(index, term));
    return entry;
}

static void check_entry(const struct raft_model *model, raft_index index,
                        const struct raft_entry *entry)
{
    if (entry->type == RAFT_CHANGE)
        return; /* a configuration, which others look at */
    ck_assert_uint_eq(entry->type, index % 7 == 3 ? RAFT_BARRIER : RAFT_COMMAND);
    ck_assert_uint_eq(entry->buf.len, model_size(model, index, entry->term));
    ck_assert(payload_matches(entry->buf.base, entry->buf.len, seed_of(index, entry->term)));
}

/* ---------------------------------------------------------------------------------------------
 * The model.
 */

void model_init(struct raft_model *model, struct raft_disk *disk)
{
    memset(model, 0, sizeof *model);
    model->disk = disk;
    model->next = 1;
    model->start = 1;
    model->begun_next = 1;
    model->begun_start = 1;
    model->failed_from = UINT_MAX;
    model->data_max = 4096;
}

void model_free(struct raft_model *model)
{
    lf_raft_free_snapshot(model->put_snapshot);
    free(model->terms);
    free(model->begun_terms);
    free(model->steps);
}

static void reserve(struct raft_model *model, raft_index next)
{
    if (next <= model->term_capacity)
        return;
    model->term_capacity = 2 * next;
    model->terms = realloc(model->terms, model->term_capacity * sizeof *model->terms);
    model->begun_terms = realloc(model->begun_terms, model->term_capacity * sizeof *model->terms);
}

static void note(struct raft_model *model, raft_index index, raft_term term)
{
    if (model->step_count == model->step_capacity) {
        model->step_capacity = 2 * model->step_capacity + 64;
        model->steps = realloc(model->steps, model->step_capacity * sizeof *model->steps);
    }
    model->steps[model->step_count++] = (struct model_step){.index = index, .term = term};
    reserve(model, index + 1);
    if (term != 0)
        model->terms[index] = term;
    model->next = term != 0 ? index + 1 : index;
}

raft_term model_term_at(const struct raft_model *model, raft_index index)
{
    return index < model->next ? model->terms[index] : 0;
}

/* What is there now is what is known to be there. */
static void begin(struct raft_model *model)
{
    if (model->next > 0 && model->terms != NULL)
        memcpy(model->begun_terms, model->terms, model->next * sizeof *model->terms);
    model->begun_next = model->next;
    model->begun_start = model->start;
    model->step_count = 0;
    model->stored_steps = 0;
    model->calls = 0;
    model->answers = 0;
}

static int compare_terms(const raft_term *terms, raft_index start, raft_index next,
                         const struct raft_entry *entries, size_t count)
{
    if (start + count != next)
        return 1;
    for (size_t i = 0; i < count; i++)
        if (terms[start + i] != entries[i].term)
            return 1;
    return 0;
}

/* Whether some first part of the steps, at least so many, leaves what was loaded. */
static bool has_prefix(const struct raft_model *model, size_t least, raft_index start,
                       const struct raft_entry *entries, size_t count)
{
    raft_index next = model->begun_next;
    raft_term *terms = calloc(model->term_capacity + 1, sizeof *terms);
    bool is_found = false;

    if (next > 0 && model->begun_terms != NULL)
        memcpy(terms, model->begun_terms, next * sizeof *terms);
    for (size_t i = 0; i <= model->step_count && !is_found; i++) {
        if (i >= least)
            is_found = compare_terms(terms, start, next, entries, count) == 0;
        if (i == model->step_count)
            break;
        if (model->steps[i].term != 0)
            terms[model->steps[i].index] = model->steps[i].term;
        next = model->steps[i].term != 0 ? model->steps[i].index + 1 : model->steps[i].index;
    }
    free(terms);
    return is_found;
}

static void free_loaded(struct raft_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || entries[i + 1].batch != entries[i].batch)
            raft_free(entries[i].batch);
    raft_free(entries);
}

void model_begin(struct raft_model *model, struct raft_disk *disk, uv_loop_t *loop,
                 struct logfile_sim **sim)
{
    ck_assert_int_eq(uv_loop_init(loop), 0);
    *sim = logfile_sim_new(NULL);
    raft_disk_init(disk, loop, *sim);
    model_init(model, disk);
}

uint64_t model_end(struct raft_model *model, struct logfile_sim *sim)
{
    struct raft_disk *disk = model->disk;
    uv_loop_t *loop = disk->loop;

    model_free(model);
    raft_disk_free(disk);
    uv_run(loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(loop), 0);
    uint64_t misuse_count = logfile_sim_misuse_count(sim);
    ck_assert_uint_eq(logfile_sim_open_count(sim), 0);
    logfile_sim_free(sim);
    return misuse_count;
}

void model_open(struct raft_model *model, bool after_crash)
{
    struct raft_io *io = &model->disk->io;
    struct raft_snapshot *snapshot;
    struct raft_entry *entries;
    raft_index start;
    raft_term term;
    raft_id vote;
    size_t count;

    int error = raft_disk_open(model->disk);
    ck_assert_msg(error == 0, "%s: %s", raft_strerror(error), io->errmsg);
    error = io->load(io, &term, &vote, &snapshot, &start, &entries, &count);
    ck_assert_msg(error == 0, "%s: %s", raft_strerror(error), io->errmsg);
    if (after_crash && model->has_other && term == model->other_term && vote == model->other_vote) {
        model->term = term;
        model->vote = vote;
    }
    model->has_other = false;
    ck_assert_uint_eq(term, model->term);
    ck_assert_uint_eq(vote, model->vote);
    /* What is before the start may be kept, a little. */
    ck_assert_uint_ge(start, 1);
    ck_assert_uint_le(start, model->start);
    if (snapshot != NULL)
        ck_assert_uint_le(start, snapshot->index + 1);
    ck_assert_msg(has_prefix(model, after_crash ? model->stored_steps : model->step_count, start,
                             entries, count),
                  "loaded %zu entries from %llu on; to be there: up to %llu", count, start,
                  model->next - 1);
    for (size_t i = 0; i < count; i++) {
        check_entry(model, start + i, &entries[i]);
        model->terms[start + i] = entries[i].term;
    }
    model->next = start + count;
    begin(model);
    free_loaded(entries, count);
    lf_raft_free_snapshot(snapshot);
}

void model_close(struct raft_model *model)
{
    raft_disk_close(model->disk);
}

/* ---------------------------------------------------------------------------------------------
 * Operations.
 */

struct model_request {
    struct raft_io_append io;
    struct raft_model *model;
    struct raft_entry *entries;
    unsigned count;
    unsigned number;
    size_t steps; /* that are stored when it is */
    struct model_request *next;
    raft_index index;
    bool is_gone; /* cut off since */
};

static void free_request(struct model_request *request)
{
    for (unsigned i = 0; i < request->count; i++)
        free(request->entries[i].buf.base);
    free(request->entries);
    free(request);
}

static void on_appended(struct raft_io_append *io, int status)
{
    struct model_request *request = io->data;
    struct raft_model *model = request->model;

    struct model_request **requests = &model->requests;
    while (*requests != request)
        requests = &(*requests)->next;
    *requests = request->next;
    if (status != 0) {
        /* From the end; after that only what has been cut off is answered otherwise. */
        ck_assert_uint_lt(request->number, model->failed_from);
        model->failed_from = request->number;
    } else if (!request->is_gone) { /* of the others no one can tell whether they are stored */
        ck_assert_uint_eq(model->failed_from, UINT_MAX);
        ck_assert_uint_eq(request->number, model->answers); /* in order */
        model->stored_steps = request->steps;
    }
    model->answers++;
    free_request(request);
}

int model_append(struct raft_model *model, unsigned count, raft_term term)
{
    struct model_request *request = calloc(1, sizeof *request);
    raft_index index = model->next;
    size_t steps = model->step_count;

    request->io.data = request;
    request->model = model;
    request->entries = calloc(count, sizeof *request->entries);
    request->count = count;
    request->number = model->calls;
    request->steps = model->step_count + count;
    for (unsigned i = 0; i < count; i++) {
        request->entries[i] = make_entry(model, index + i, term);
        note(model, index + i, term);
    }
    request->next = model->requests;
    model->requests = request;
    int error = model->disk->io.append(&model->disk->io, &request->io, request->entries, count,
                                       on_appended);
    if (error == 0) {
        model->calls++;
        request->index = index;
        return 0;
    }
    model->requests = request->next;
    model->step_count = steps; /* nothing of it is kept */
    model->next = index;
    free_request(request);
    return error;
}

int model_truncate(struct raft_model *model, raft_index index)
{
    int error = model->disk->io.truncate(&model->disk->io, index);

    if (error != 0)
        return error;
    note(model, index, 0);
    for (struct model_request *request = model->requests; request != NULL; request = request->next)
        request->is_gone = request->is_gone || request->index >= index;
    return 0;
}

static void store(struct raft_model *model, int error, raft_term term, raft_id vote)
{
    if (error == 0) {
        model->term = term;
        model->vote = vote;
        return;
    }
    ck_assert(logfile_sim_is_down(model->disk->sim));
    if (model->has_other)
        return; /* this one has not even begun */
    model->has_other = true;
    model->other_term = term;
    model->other_vote = vote;
}

void model_set_term(struct raft_model *model, raft_term term)
{
    store(model, model->disk->io.set_term(&model->disk->io, term), term, 0);
}

void model_set_vote(struct raft_model *model, raft_id vote)
{
    store(model, model->disk->io.set_vote(&model->disk->io, vote), model->term, vote);
}

void model_wait(struct raft_model *model)
{
    while (model->answers < model->calls && !logfile_sim_is_down(model->disk->sim)) {
        raft_disk_run(model->disk);
        sched_yield();
    }
}

int model_bootstrap(struct raft_model *model)
{
    struct raft_configuration configuration;

    raft_configuration_init(&configuration);
    raft_configuration_add(&configuration, 1, "1", RAFT_VOTER);
    int error = model->disk->io.bootstrap(&model->disk->io, &configuration);
    raft_configuration_close(&configuration);
    if (error != 0)
        return error;
    note(model, 1, 1);
    model->term = 1;
    model->stored_steps = model->step_count;
    return 0;
}

static void on_put(struct raft_io_snapshot_put *put, int status)
{
    struct raft_model *model = put->data;

    model->put_status = status;
}

void model_put(struct raft_model *model, raft_index index, raft_term term, unsigned trailing)
{
    struct raft_disk *disk = model->disk;
    const bool replaces = trailing == 0 && model_term_at(model, index) != term;

    lf_raft_free_snapshot(model->put_snapshot);
    model->put_snapshot = snapshot_make(index, term, "state", 5);
    model->put.data = model;
    model->put_status = -1;
    int error =
        disk->io.snapshot_put(&disk->io, trailing, &model->put, model->put_snapshot, on_put);
    if (error != 0) {
        ck_assert_msg(logfile_sim_is_down(disk->sim), "%s", disk->io.errmsg);
        return;
    }
    for (struct model_request *request = model->requests; replaces && request != NULL;
         request = request->next)
        request->is_gone = true;
    while (model->put_status == -1 && !logfile_sim_is_down(disk->sim)) {
        raft_disk_run(disk);
        sched_yield();
    }
    if (!logfile_sim_is_down(disk->sim))
        ck_assert_int_eq(model->put_status, 0);
    if (disk->stored == NULL || disk->stored->index != index || disk->stored->term != term)
        return; /* the machine went down before */
    if (replaces) {
        model_wait(model); /* what was on its way is called back too */
        reserve(model, index + 2);
        model->terms[index] = term;
        model->next = index + 1;
        model->start = index + 1;
        unsigned calls = model->calls, answers = model->answers;
        begin(model);
        model->calls = calls;
        model->answers = answers;
    } else if (model->start < index + 1) {
        model->start = index + 1;
    }
}
