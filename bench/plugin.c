/* SPDX-License-Identifier: MIT */
#include "plugin.h"

#include "variant.h"
#include "verdict.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* A name without a slash is one of this directory, and not of those that the linker looks in. */
static void *load(const char *path)
{
    char here[PATH_MAX];
    snprintf(here, sizeof here, "%s%s", strchr(path, '/') == NULL ? "./" : "", path);
    return dlopen(here, RTLD_NOW | RTLD_LOCAL);
}

static bool has_all(const struct bench_peer *peer)
{
    return peer != NULL && peer->name != NULL && peer->settings != NULL && peer->version != NULL &&
           peer->open != NULL && peer->begin != NULL && peer->append != NULL && peer->end != NULL &&
           peer->scan != NULL && peer->close != NULL;
}

/* It is a label, a word of the command line and a text in JSON. */
static bool is_name(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    return name[0] != '\0' && strlen(name) < BENCH_LABEL_BYTES &&
           strspn(name, plain) == strlen(name);
}

const struct bench_peer *bench_plugin_load(const char *path, char *message, size_t message_bytes)
{
    struct verdict verdict = {message, message_bytes};
    struct stat status;
    int refused = 0;
    void *object = NULL;
    const struct bench_peer_plugin *plugin = NULL;
    if (stat(path, &status) != 0)
        refused = refuse(&verdict, "--peer %s: %s", path, strerror(errno));
    else if ((object = load(path)) == NULL)
        refused = refuse(&verdict, "--peer: not a shared object that can be loaded: %s", dlerror());
    else if ((plugin = dlsym(object, "bench_peer_plugin")) == NULL)
        refused = refuse(&verdict,
                         "--peer %s: it has no bench_peer_plugin: end its source with "
                         "BENCH_PEER_PLUGIN(...)",
                         path);
    else if (plugin->version != BENCH_PEER_VERSION)
        refused = refuse(&verdict,
                         "--peer %s: made for version %u of logfile_bench_peer.h, and this program "
                         "has %u: compile it again",
                         path, plugin->version, BENCH_PEER_VERSION);
    else if (!has_all(plugin->peer))
        refused = refuse(&verdict, "--peer %s: a member of its struct bench_peer is missing", path);
    else if (!is_name(plugin->peer->name))
        refused = refuse(&verdict, "--peer %s: its name '%.40s' is not one word", path,
                         plugin->peer->name);
    return refused == 0 ? plugin->peer : NULL;
}
