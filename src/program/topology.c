/* topology.c - the machine, from hwloc; the only user of hwloc.h.
 *
 * The description of this machine is read once a process and kept: reading it takes
 * milliseconds, and it holds the cpuset from before any thread was bound. */
#include "program/schedule.h"
#include <hwloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static hwloc_topology_t machine;
static hwloc_cpuset_t usable; /* what the process was given */
static atomic_bool bound;     /* some thread has been bound to a core */

/* Cores and caches are all that is asked for; the rest takes as long again to read. */
static void want_little(hwloc_topology_t t)
{
    hwloc_topology_set_all_types_filter(t, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(t, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_cache_types_filter(t, HWLOC_TYPE_FILTER_KEEP_ALL);
}

static void load_machine(void)
{
    if (hwloc_topology_init(&machine) < 0) {
        machine = NULL;
        return;
    }
    want_little(machine);
    usable = hwloc_bitmap_alloc();
    if (!usable || hwloc_topology_load(machine) < 0) {
        hwloc_topology_destroy(machine);
        machine = NULL;
        return;
    }
    if (hwloc_get_cpubind(machine, usable, HWLOC_CPUBIND_THREAD) < 0)
        hwloc_bitmap_copy(usable, hwloc_topology_get_allowed_cpuset(machine));
}

static hwloc_obj_type_t core_type(hwloc_topology_t t)
{
    return hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
}

/* The core of that number or the next one behind it that shares hardware threads with `within` (NULL: any); NULL: none. */
static hwloc_obj_t core_from(hwloc_topology_t t, hwloc_const_cpuset_t within, int *number)
{
    for (hwloc_obj_t o; (o = hwloc_get_obj_by_type(t, core_type(t), (unsigned)*number)); (*number)++)
        if (!within || hwloc_bitmap_intersects(o->cpuset, within)) return o;
    return NULL;
}

static size_t cache_bytes(hwloc_topology_t t, hwloc_obj_type_t type, hwloc_obj_t core)
{
    hwloc_obj_t cache = core ? hwloc_get_ancestor_obj_by_type(t, type, core) : NULL;
    return cache ? (size_t)cache->attr->cache.size : 0;
}

static void describe(gr_arena *a, hwloc_topology_t t, hwloc_const_cpuset_t within, gr_topology *out)
{
    int *core = GR_NEW_ARRAY(a, int, hwloc_get_nbobjs_by_type(t, core_type(t)) + 1), number = 0;
    const hwloc_obj_t first = core_from(t, within, &number);
    for (; core_from(t, within, &number); number++) core[out->cores++] = number;
    out->core = core;
    if (out->cores == 0) out->cores = 1;
    out->l1_bytes = cache_bytes(t, HWLOC_OBJ_L1CACHE, first);
    out->l2_bytes = cache_bytes(t, HWLOC_OBJ_L2CACHE, first);
    out->l3_bytes = cache_bytes(t, HWLOC_OBJ_L3CACHE, first);
    /* Of a common core; they decide who computes what, never a bit. */
    out->gflops = 40;
    out->bytes_per_ns = 8;
    out->wait_ns = 300;
}

/* text: hwloc's description, or the name of a file as lstopo writes it. */
static bool try_synthetic(gr_arena *a, const char *text, bool file, gr_topology *out)
{
    hwloc_topology_t t;
    if (hwloc_topology_init(&t) < 0) return false;
    bool good = (file ? hwloc_topology_set_xml(t, text) : hwloc_topology_set_synthetic(t, text)) == 0 && hwloc_topology_load(t) == 0;
    if (good) describe(a, t, NULL, out);
    hwloc_topology_destroy(t);
    return good;
}

/* hwloc wants every description to end with its pu; here they may be left out. */
static int describe_synthetic(gr_arena *a, const char *text, gr_topology *out, gr_error *e)
{
    const size_t n = strlen(text);
    const bool file = n > 4 && strcmp(text + n - 4, ".xml") == 0;
    const char *full = file || strstr(text, "pu:") ? text : gr_arena_printf(a, "%s pu:1", text);
    if (try_synthetic(a, full, file, out)) return 0;
    return gr_set_error(e, GR_EINVAL, "'%s' is no topology; write for example \"pack:2 l3:1 l2:8 core:1 pu:2\", or name an .xml file of lstopo", text);
}

gr_topology *gr_topology_get(gr_arena *a, const char *synthetic, gr_error *e)
{
    gr_topology *out = GR_NEW(a, gr_topology);
    if (synthetic) return describe_synthetic(a, synthetic, out, e) < 0 ? NULL : out;
    pthread_once(&once, load_machine);
    if (!machine) {
        gr_set_error(e, GR_EIO, "hwloc cannot read this machine's topology");
        return NULL;
    }
    describe(a, machine, usable, out);
    return out;
}

void gr_topology_bind(int core)
{
    if (core < 0 && !atomic_load(&bound)) return; /* nothing to undo, and reading the machine takes milliseconds */
    atomic_store(&bound, true);
    pthread_once(&once, load_machine);
    if (!machine) return;
    hwloc_obj_t o = core >= 0 ? hwloc_get_obj_by_type(machine, core_type(machine), (unsigned)core) : NULL;
    if (!o && core >= 0) return;
    hwloc_cpuset_t set = hwloc_bitmap_dup(usable);
    if (!set) return;
    if (o) hwloc_bitmap_and(set, set, o->cpuset);
    if (!hwloc_bitmap_iszero(set)) hwloc_set_cpubind(machine, set, HWLOC_CPUBIND_THREAD);
    hwloc_bitmap_free(set);
}

int gr_topology_usable(void)
{
    int cores = 0;
    pthread_once(&once, load_machine);
    for (int number = 0; machine && core_from(machine, usable, &number); number++) cores++;
    return cores > 0 ? cores : 1;
}
