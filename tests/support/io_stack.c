/* SPDX-License-Identifier: MIT */
#include "io_stack.h"

#include "support.h"

#include <errno.h>

/* ---- The gate and the fault ------------------------------------------------------------------ */

/* With the lock. */
static bool is_held_up(const struct io_layer *layer, const struct io_call *call)
{
    return layer->gate == call->call && call->number > layer->gate_after &&
           (layer->gate_is_for == NULL || layer->gate_is_for(layer->arg));
}

/* With the lock, which it lets go of while it waits. */
static int pass_gate(struct io_layer *layer, const struct io_call *call)
{
    if (!is_held_up(layer, call))
        return 0;
    layer->gate_count++;
    while (layer->gate == call->call)
        pthread_cond_wait(&layer->opened, &layer->lock);
    return layer->gate_error;
}

/* With the lock. */
static int meet_fault(struct io_layer *layer, struct io_call *call)
{
    const struct logfile_sim_fault *fault = &layer->fault;

    if (fault->call != call->call || call->number <= fault->after ||
        (!fault->for_ever && call->number != fault->after + 1))
        return 0;
    layer->fault_hits++;
    if (fault->error == 0 && call->bytes > fault->short_bytes)
        call->bytes = fault->short_bytes;
    return fault->error;
}

static int follow_plan(struct io_layer *layer, struct io_call *call)
{
    if (!__atomic_load_n(&layer->is_planned, __ATOMIC_ACQUIRE))
        return 0;
    pthread_mutex_lock(&layer->lock);
    int error = pass_gate(layer, call);
    if (error == 0)
        error = meet_fault(layer, call);
    pthread_mutex_unlock(&layer->lock);
    return error;
}

/* ---- What is left out ------------------------------------------------------------------------ */

static bool is_left_out(const struct io_layer *layer, uint64_t offset)
{
    return offset >= layer->sparse_from && offset - layer->sparse_from < layer->sparse_bytes;
}

static uint64_t below(const struct io_layer *layer, uint64_t offset)
{
    return offset < layer->sparse_from ? offset : offset - layer->sparse_bytes;
}

/* Makes its offsets those of the lower table; true: there is nothing to do there. */
static bool close_up(struct io_layer *layer, struct io_call *call)
{
    uint64_t end = call->offset + call->bytes;

    switch (call->call) {
    case LOGFILE_SIM_TRUNCATE:
        call->result = is_left_out(layer, call->bytes) ? -EINVAL : 0;
        call->bytes = below(layer, call->bytes);
        return call->result != 0;
    case LOGFILE_SIM_PUNCH: /* what is left out is a hole already */
        if (is_left_out(layer, call->offset))
            call->offset = layer->sparse_from + layer->sparse_bytes;
        if (call->offset >= end)
            return true;
        call->bytes = end - call->offset;
        break;
    case LOGFILE_SIM_READ:
    case LOGFILE_SIM_WRITE:
    case LOGFILE_SIM_ALLOCATE:
        if (is_left_out(layer, call->offset)) {
            call->result = -EINVAL;
            return true;
        }
        break;
    default:
        return false;
    }
    call->offset = below(layer, call->offset);
    return false;
}

static void open_up(const struct io_layer *layer, const struct io_call *call)
{
    struct logfile_io_stat *status = call->out;

    if (call->call == LOGFILE_SIM_STAT && call->result == 0 && status->kind == LOGFILE_IO_REGULAR &&
        status->bytes >= layer->sparse_from)
        status->bytes += layer->sparse_bytes;
}

/* ---- A call, down and back ------------------------------------------------------------------- */

/* Whether the lower table is not to be asked any more. */
static bool is_answered(struct io_layer *layer, struct io_call *call)
{
    call->number = __atomic_add_fetch(&layer->kinds[call->call].count, 1, __ATOMIC_RELAXED);
    if (layer->before != NULL && layer->before(layer->arg, call))
        return true;
    if (layer->kinds[call->call].delay_us != 0)
        sleep_us(layer->kinds[call->call].delay_us);
    call->result = follow_plan(layer, call);
    if (call->result != 0 && call->call == LOGFILE_SIM_CLOSE) /* it has closed all the same */
        (void)layer->lower->close(layer->lower->context, call->fd);
    return call->result != 0 || layer->kinds[call->call].is_skipped ||
           (layer->sparse_bytes != 0 && close_up(layer, call));
}

static int64_t come_back(struct io_layer *layer, struct io_call *call)
{
    if (layer->sparse_bytes != 0)
        open_up(layer, call);
    if (call->result > 0)
        __atomic_add_fetch(&layer->kinds[call->call].bytes, (uint64_t)call->result,
                           __ATOMIC_RELAXED);
    if (layer->after != NULL)
        layer->after(layer->arg, call);
    return call->result;
}

/* What remains of a call once is_answered has seen it. */
#define LOWER(layer, member, ...) ((layer)->lower->member((layer)->lower->context, __VA_ARGS__))
#define PASS(layer, call, member, ...)                                                             \
    (is_answered(layer, &(call)) ? 0 : ((call).result = LOWER(layer, member, __VA_ARGS__)),        \
     come_back(layer, &(call)))

static int layer_open(void *context, int directory, const char *name, unsigned flags, mode_t mode)
{
    struct io_layer *layer = context;
    struct io_call call = {.call = LOGFILE_SIM_OPEN, .fd = directory, .name = name, .flags = flags};
    return (int)PASS(layer, call, open, call.fd, call.name, call.flags, mode);
}

static ssize_t layer_read(void *context, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    struct io_layer *layer = context;
    struct io_call call = {
        .call = LOGFILE_SIM_READ, .fd = fd, .out = buffer, .bytes = bytes, .offset = offset};
    return PASS(layer, call, read, fd, buffer, call.bytes, call.offset);
}

static ssize_t layer_write(void *context, int fd, const void *buffer, size_t bytes, uint64_t offset,
                           unsigned flags)
{
    struct io_layer *layer = context;
    struct io_call call = {.call = LOGFILE_SIM_WRITE,
                           .fd = fd,
                           .data = buffer,
                           .bytes = bytes,
                           .offset = offset,
                           .flags = flags};
    return PASS(layer, call, write, fd, buffer, call.bytes, call.offset, call.flags);
}

/* Operations on an open file, which return an error or a truth. */
#define FILE_CALL(name, kind)                                                                      \
    static int layer_##name(void *context, int fd)                                                 \
    {                                                                                              \
        struct io_layer *layer = context;                                                          \
        struct io_call call = {.call = kind, .fd = fd};                                            \
        return (int)PASS(layer, call, name, fd);                                                   \
    }
FILE_CALL(close, LOGFILE_SIM_CLOSE)
FILE_CALL(lock, LOGFILE_SIM_LOCK)
FILE_CALL(locked, LOGFILE_SIM_LOCKED)
FILE_CALL(sync, LOGFILE_SIM_SYNC)
FILE_CALL(drop_cache, LOGFILE_SIM_DROP_CACHE)
FILE_CALL(sync_directory, LOGFILE_SIM_SYNC_DIRECTORY)

static int layer_stat(void *context, int fd, struct logfile_io_stat *out)
{
    struct io_layer *layer = context;
    struct io_call call = {.call = LOGFILE_SIM_STAT, .fd = fd, .out = out};
    return (int)PASS(layer, call, stat, fd, out);
}

static int layer_facts(void *context, int fd, struct logfile_io_facts *out)
{
    struct io_layer *layer = context;
    struct io_call call = {.call = LOGFILE_SIM_FACTS, .fd = fd, .out = out};
    return (int)PASS(layer, call, facts, fd, out);
}

static int layer_truncate(void *context, int fd, uint64_t bytes)
{
    struct io_layer *layer = context;
    struct io_call call = {.call = LOGFILE_SIM_TRUNCATE, .fd = fd, .bytes = bytes};
    return (int)PASS(layer, call, truncate, fd, call.bytes);
}

static int layer_allocate(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    struct io_layer *layer = context;
    struct io_call call = {
        .call = LOGFILE_SIM_ALLOCATE, .fd = fd, .bytes = bytes, .offset = offset};
    return (int)PASS(layer, call, allocate, fd, call.offset, call.bytes);
}

static int layer_punch(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    struct io_layer *layer = context;
    struct io_call call = {.call = LOGFILE_SIM_PUNCH, .fd = fd, .bytes = bytes, .offset = offset};
    return (int)PASS(layer, call, punch, fd, call.offset, call.bytes);
}

static int layer_rename(void *context, int directory, const char *from, const char *to)
{
    struct io_layer *layer = context;
    struct io_call call = {.call = LOGFILE_SIM_RENAME, .fd = directory, .name = from, .to = to};
    return (int)PASS(layer, call, rename, directory, from, to);
}

static int layer_unlink(void *context, int directory, const char *name)
{
    struct io_layer *layer = context;
    struct io_call call = {.call = LOGFILE_SIM_UNLINK, .fd = directory, .name = name};
    return (int)PASS(layer, call, unlink, directory, name);
}

static int layer_remove_directory(void *context, int directory, const char *name)
{
    struct io_layer *layer = context;
    struct io_call call = {.call = LOGFILE_SIM_REMOVE_DIRECTORY, .fd = directory, .name = name};
    return (int)PASS(layer, call, remove_directory, directory, name);
}

static int layer_make_directory(void *context, int directory, const char *name, mode_t mode)
{
    struct io_layer *layer = context;
    struct io_call call = {.call = LOGFILE_SIM_MAKE_DIRECTORY, .fd = directory, .name = name};
    return (int)PASS(layer, call, make_directory, directory, name, mode);
}

static int layer_list_directory(void *context, int directory,
                                int (*visit)(void *visit_arg, const char *name), void *visit_arg)
{
    struct io_layer *layer = context;
    struct io_call call = {.call = LOGFILE_SIM_LIST_DIRECTORY, .fd = directory};
    return (int)PASS(layer, call, list_directory, directory, visit, visit_arg);
}

void io_layer_init(struct io_layer *layer, const struct logfile_io *lower)
{
    *layer = (struct io_layer){
        .lower = lower,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .opened = PTHREAD_COND_INITIALIZER,
        .fault.call = LOGFILE_SIM_CALL_COUNT,
        .gate = LOGFILE_SIM_CALL_COUNT,
        .io = {.version = LOGFILE_IO_VERSION,
               .context = layer,
               .open = layer_open,
               .close = layer_close,
               .stat = layer_stat,
               .lock = layer_lock,
               .locked = layer_locked,
               .read = layer_read,
               .write = layer_write,
               .sync = layer_sync,
               .allocate = layer_allocate,
               .truncate = layer_truncate,
               .drop_cache = layer_drop_cache,
               .punch = layer_punch,
               .rename = layer_rename,
               .unlink = layer_unlink,
               .remove_directory = layer_remove_directory,
               .sync_directory = layer_sync_directory,
               .make_directory = layer_make_directory,
               .list_directory = layer_list_directory,
               .facts = layer_facts},
    };
}

/* ---- Counts and plans ------------------------------------------------------------------------ */

/* Calls may be under way in other threads. */
static unsigned count_of(const struct io_layer *layer, enum logfile_sim_call call)
{
    return __atomic_load_n(&layer->kinds[call].count, __ATOMIC_RELAXED);
}

unsigned io_layer_count(struct io_layer *layer, enum logfile_sim_call call)
{
    return count_of(layer, call) - layer->kinds[call].count_before;
}

uint64_t io_layer_bytes(struct io_layer *layer, enum logfile_sim_call call)
{
    return __atomic_load_n(&layer->kinds[call].bytes, __ATOMIC_RELAXED);
}

void io_layer_count_anew(struct io_layer *layer)
{
    for (unsigned i = 0; i < LOGFILE_SIM_CALL_COUNT; i++) {
        layer->kinds[i].count_before = count_of(layer, (enum logfile_sim_call)i);
        __atomic_store_n(&layer->kinds[i].bytes, 0, __ATOMIC_RELAXED);
    }
}

void io_layer_delay(struct io_layer *layer, enum logfile_sim_call call, uint64_t us)
{
    layer->kinds[call].delay_us = us;
}

void io_layer_skip(struct io_layer *layer, enum logfile_sim_call call)
{
    layer->kinds[call].is_skipped = true;
}

void io_layer_fault(struct io_layer *layer, const struct logfile_sim_fault *fault)
{
    pthread_mutex_lock(&layer->lock);
    layer->fault_hits = 0;
    if (fault == NULL) {
        layer->fault.call = LOGFILE_SIM_CALL_COUNT;
    } else {
        layer->fault = *fault;
        layer->fault.after += count_of(layer, fault->call);
        __atomic_store_n(&layer->is_planned, true, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&layer->lock);
}

uint64_t io_layer_fault_hits(struct io_layer *layer)
{
    pthread_mutex_lock(&layer->lock);
    uint64_t hits = layer->fault_hits;
    pthread_mutex_unlock(&layer->lock);
    return hits;
}

void io_layer_gate_close(struct io_layer *layer, enum logfile_sim_call call, unsigned after,
                         int error)
{
    pthread_mutex_lock(&layer->lock);
    layer->gate = call;
    layer->gate_after = count_of(layer, call) + after;
    layer->gate_error = error;
    layer->gate_count = 0;
    __atomic_store_n(&layer->is_planned, true, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&layer->lock);
}

void io_layer_gate_open(struct io_layer *layer)
{
    pthread_mutex_lock(&layer->lock);
    layer->gate = LOGFILE_SIM_CALL_COUNT;
    pthread_cond_broadcast(&layer->opened);
    pthread_mutex_unlock(&layer->lock);
}

bool io_layer_gate_is_reached(struct io_layer *layer, unsigned ms)
{
    for (unsigned waited_ms = 0;; waited_ms++) {
        pthread_mutex_lock(&layer->lock);
        bool is_open = layer->gate == LOGFILE_SIM_CALL_COUNT;
        bool is_reached = !is_open && layer->gate_count > 0;
        pthread_mutex_unlock(&layer->lock);
        if (is_open || is_reached || waited_ms >= ms)
            return is_reached;
        sleep_us(1000);
    }
}

void io_layer_leave_out(struct io_layer *layer, uint64_t from, uint64_t bytes)
{
    layer->sparse_from = from;
    layer->sparse_bytes = bytes;
}
