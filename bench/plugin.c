/* SPDX-License-Identifier: MIT */
#include "plugin.h"

#include "lab/plugin.h"
#include "variant.h"
#include "verdict.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* ---- What all of them are -------------------------------------------------------------------- */

/* A name without a slash is one of this directory, and not of those that the linker looks in. */
static void *load(const char *path)
{
    char here[PATH_MAX];
    snprintf(here, sizeof here, "%s%s", strchr(path, '/') == NULL ? "./" : "", path);
    return dlopen(here, RTLD_NOW | RTLD_LOCAL);
}

/* What the shared object has under that name; NULL: refused.  `macro` is what its source must end with. */
static const void *load_symbol(const struct verdict *verdict, const char *option, const char *path,
                               const char *name, const char *macro)
{
    struct stat status;
    void *object = NULL;
    const void *symbol = NULL;
    if (stat(path, &status) != 0)
        refuse(verdict, "%s %s: %s", option, path, strerror(errno));
    else if ((object = load(path)) == NULL)
        refuse(verdict, "%s: not a shared object that can be loaded: %s", option, dlerror());
    else if ((symbol = dlsym(object, name)) == NULL)
        refuse(verdict, "%s %s: it has no %s: end its source with %s", option, path, name, macro);
    return symbol;
}

/* It is a label, a word of the command line and a text in JSON. */
static bool is_name(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    return name[0] != '\0' && strlen(name) < BENCH_LABEL_BYTES &&
           strspn(name, plain) == strlen(name);
}

static int refuse_name(const struct verdict *verdict, const char *option, const char *path,
                       const char *name)
{
    return refuse(verdict, "%s %s: its name '%.40s' is not one word", option, path, name);
}

/* ---- Stores ---------------------------------------------------------------------------------- */

static bool has_all(const struct bench_peer *peer)
{
    return peer != NULL && peer->name != NULL && peer->settings != NULL && peer->version != NULL &&
           peer->open != NULL && peer->begin != NULL && peer->append != NULL && peer->end != NULL &&
           peer->scan != NULL && peer->close != NULL;
}

const struct bench_peer *bench_plugin_load(const char *path, char *message, size_t message_bytes)
{
    struct verdict verdict = {message, message_bytes};
    int refused = 0;
    const struct bench_peer_plugin *plugin =
        load_symbol(&verdict, "--peer", path, "bench_peer_plugin", "BENCH_PEER_PLUGIN(...)");
    if (plugin == NULL)
        return NULL;
    if (plugin->version != BENCH_PEER_VERSION)
        refused = refuse(&verdict,
                         "--peer %s: made for version %u of logfile_bench_peer.h, and this program "
                         "has %u: compile it again",
                         path, plugin->version, BENCH_PEER_VERSION);
    else if (!has_all(plugin->peer))
        refused = refuse(&verdict, "--peer %s: a member of its struct bench_peer is missing", path);
    else if (!is_name(plugin->peer->name))
        refused = refuse_name(&verdict, "--peer", path, plugin->peer->name);
    return refused == 0 ? plugin->peer : NULL;
}

/* ---- Engines and reservation policies -------------------------------------------------------- */

static bool is_complete(const struct lf_lab_plugin *plugin)
{
    if (plugin->engine != NULL)
        return plugin->reserve == NULL && lf_engine_is_complete(plugin->engine);
    return plugin->reserve != NULL && lf_reserve_is_complete(plugin->reserve);
}

const char *bench_plugin_lab_name(const struct lf_lab_plugin *plugin)
{
    return plugin->engine != NULL ? plugin->engine->name : plugin->reserve->name;
}

const struct lf_lab_plugin *bench_plugin_load_lab(const char *path, char *message,
                                                  size_t message_bytes)
{
    static const struct lf_lab_stamp own = LF_LAB_STAMP;
    struct verdict verdict = {message, message_bytes};
    int refused = 0;
    const struct lf_lab_plugin *plugin = load_symbol(&verdict, "--lab", path, "lf_lab_plugin",
                                                     "LF_LAB_ENGINE(...) or LF_LAB_RESERVE(...)");
    if (plugin == NULL)
        return NULL;
    if (strncmp(plugin->stamp.version, own.version, sizeof own.version) != 0)
        refused = refuse(&verdict,
                         "--lab %s: made for logfile %.15s, and this program is of %s: compile it "
                         "again",
                         path, plugin->stamp.version, own.version);
    else if (memcmp(&plugin->stamp, &own, sizeof own) != 0 ||
             strcmp(plugin->sources, lf_lab_sources) != 0)
        refused = refuse(
            &verdict, "--lab %s: made of other sources than this program: compile it again", path);
    else if (!is_complete(plugin))
        refused = refuse(&verdict, "--lab %s: a member of its table is missing", path);
    else if (!is_name(bench_plugin_lab_name(plugin)))
        refused = refuse_name(&verdict, "--lab", path, bench_plugin_lab_name(plugin));
    return refused == 0 ? plugin : NULL;
}
