/* zip.c - the only user of zip.h of libzip. */
#include "io/zip.h"

#include <stdio.h>
#include <string.h>
#include <zip.h>

struct gr_zip {
    zip_t *archive;
    zip_file_t *file;
    const char *path;
    char member[256]; /* for messages */
};

bool gr_zip_is_archive(const char *path)
{
    char head[4] = {0};
    FILE *f = fopen(path, "rbe");
    bool is = f && fread(head, 1, sizeof head, f) == sizeof head &&
              (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0);
    if (f) fclose(f);
    return is;
}

/* Neither a folder nor what a system or a person left beside the data. */
static bool is_plausible(const char *name)
{
    size_t n = strlen(name);
    if (!n || name[n - 1] == '/') return false;
    for (const char *part = name; part; part = strchr(part, '/'), part = part ? part + 1 : NULL)
        if (*part == '.' || *part == '_') return false;
    return true;
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && name[n - m - 1] == '/' && strcmp(name + n - m, end) == 0;
}

/* The members that may be read, for a message. */
static void list_members(const gr_zip *z, char *to, size_t room)
{
    size_t used = 0;
    for (zip_int64_t i = 0; i < zip_get_num_entries(z->archive, 0) && used < room; i++) {
        const char *name = zip_get_name(z->archive, (zip_uint64_t)i, 0);
        if (name && is_plausible(name)) used += (size_t)snprintf(to + used, room - used, "%s%s", used ? ", " : "", name);
    }
    if (used >= room) strcpy(to + room - 4, "...");
    if (!used) snprintf(to, room, "none");
}

/* The index of the member that is meant, or -1 with e filled. */
static zip_int64_t find_member(const gr_zip *z, const char *member, gr_error *e)
{
    zip_int64_t found = member ? zip_name_locate(z->archive, member, 0) : -1;
    int matches = found >= 0;
    char names[400];
    for (zip_int64_t i = 0; found < 0 && i < zip_get_num_entries(z->archive, 0); i++) {
        const char *name = zip_get_name(z->archive, (zip_uint64_t)i, 0);
        if (!name || (member ? !ends_in(name, member) || strstr(name, "__MACOSX/") == name : !is_plausible(name))) continue;
        if (matches++ == 0) found = -2 - i; /* in case it stays the only one */
    }
    if (matches == 1) return found < 0 ? -2 - found : found;
    list_members(z, names, sizeof names);
    if (member)
        gr_set_error(e, GR_EINVAL, "%s: has %s member '%s'; there are: %s", z->path, matches ? "more than one" : "no", member, names);
    else
        gr_set_error(e, GR_EINVAL, "%s: is an archive; say which of its members, %s/MEMBER; there are: %s", z->path, z->path, names);
    return -1;
}

static int open_archive(gr_zip *z, gr_error *e)
{
    int code = 0;
    z->archive = zip_open(z->path, ZIP_RDONLY, &code);
    if (z->archive) return GR_OK;
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    gr_set_error(e, code == ZIP_ER_MEMORY ? GR_ENOMEM : GR_EINVAL, "%s: cannot be read as a zip archive: %s%s", z->path,
                 zip_error_strerror(&error), code == ZIP_ER_NOZIP ? ", or cut off" : "");
    zip_error_fini(&error);
    return e ? (int)e->status : GR_EINVAL;
}

int gr_zip_open(gr_zip **zip, const gr_memory *m, const char *archive, const char *member, gr_error *e)
{
    gr_zip *z = gr_allocate(m, sizeof *z, 0);
    *zip = z;
    if (!z) return gr_set_error(e, GR_ENOMEM, "%s: not enough memory to read it", archive);
    *z = (gr_zip){.path = archive};
    int status = open_archive(z, e);
    zip_int64_t i = status == GR_OK ? find_member(z, member, e) : -1;
    if (i >= 0) {
        const char *name = zip_get_name(z->archive, (zip_uint64_t)i, 0);
        snprintf(z->member, sizeof z->member, "%s", name ? name : "");
        z->file = zip_fopen_index(z->archive, (zip_uint64_t)i, 0);
        if (z->file) return GR_OK;
        status = gr_set_error(e, GR_EINVAL, "%s/%s: %s", archive, z->member, zip_strerror(z->archive));
    } else if (status == GR_OK) {
        status = GR_EINVAL;
    }
    gr_zip_close(z);
    *zip = NULL;
    return status;
}

static const char *const *names_of(gr_arena *a, zip_t *archive)
{
    const zip_int64_t n = zip_get_num_entries(archive, 0);
    const char **names = GR_NEW_ARRAY(a, const char *, n + 1);
    int count = 0;
    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = zip_get_name(archive, (zip_uint64_t)i, 0);
        if (name) names[count++] = gr_arena_strdup(a, name);
    }
    return names;
}

const char *const *gr_zip_members(gr_arena *a, const char *archive, gr_error *e)
{
    gr_zip z = {.path = archive};
    const char *const *volatile names = NULL;
    gr_frame frame;
    if (open_archive(&z, e)) return NULL;
    if (gr_try(a, &frame)) {
        names = names_of(a, z.archive);
        gr_end_try(a, &frame);
    } else {
        gr_set_error(e, GR_ENOMEM, "%s: not enough memory to read it", archive);
    }
    zip_discard(z.archive);
    return names;
}

int64_t gr_zip_get(gr_zip *zip, void *to, size_t room, gr_error *e)
{
    zip_int64_t got = zip_fread(zip->file, to, room);
    if (got >= 0) return got;
    gr_set_error(e, GR_EINVAL, "%s/%s: %s", zip->path, zip->member, zip_file_strerror(zip->file));
    return -1;
}

void gr_zip_close(gr_zip *zip)
{
    if (!zip) return;
    if (zip->file) zip_fclose(zip->file);
    if (zip->archive) zip_discard(zip->archive);
    gr_free(zip);
}
