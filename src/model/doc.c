/* doc.c - libyaml's events to a tree of values that know their places. The only user of yaml.h.
 *
 * The text is checked before libyaml sees it (size, UTF-8, control characters), so that what
 * is left to it is YAML. A mistake that YAML itself has no name for (a duplicate key, a key
 * without a value) is reported and reading goes on; after a syntax error it stops. */
#include "model/doc.h"
#include "base/map.h"
#include "base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <yaml.h>

enum {
    MAX_BYTES = 16 << 20,
    MAX_DEPTH = 64,
    MAX_NODES = 1000000, /* in all */
    MAX_COPIES = 100000, /* made by aliases */
    MAX_ERRORS = 200,    /* mistakes reported here */
    SMALL_MAP = 16,      /* up to here keys are compared one by one */
};

typedef struct anchor {
    const char *name;
    gr_doc *doc; /* NULL: not complete yet */
} anchor;

typedef struct reader {
    gr_arena *arena;
    gr_diag *diag;
    gr_text *source;
    yaml_parser_t parser;
    yaml_event_t event; /* the one in hand; deleted by the next */
    anchor *anchors;
    int num_anchors, cap_anchors;
    int nodes, copies, errors;
} reader;

static gr_doc *read_node(reader *r, int depth);

/* ---- places ---- */

static gr_loc loc_of(const reader *r, const yaml_mark_t *start, const yaml_mark_t *end)
{
    int length = end && end->line == start->line ? (int)(end->column - start->column) : 1;
    return (gr_loc){r->source, (int)start->line + 1, (int)start->column + 1, length > 0 ? length : 1};
}

/* The byte at a mark; libyaml counts characters. */
static size_t byte_at(const gr_text *s, const yaml_mark_t *mark)
{
    size_t i = 0;
    for (size_t n = 0; n < mark->line && i < s->length; n++) {
        const char *eol = memchr(s->text + i, '\n', s->length - i);
        i = eol ? (size_t)(eol - s->text) + 1 : s->length;
    }
    for (size_t n = 0; n < mark->column && i < s->length; n++) {
        int length = gr_utf8_decode(s->text + i, s->length - i, NULL);
        i += length ? (size_t)length : 1;
    }
    return i;
}

/* The place of a byte. */
static gr_loc loc_of_byte(const gr_text *s, size_t at)
{
    gr_loc loc = {s, 1, 1, 1};
    for (size_t i = 0; i < at;) {
        int length = gr_utf8_decode(s->text + i, s->length - i, NULL);
        if (s->text[i] == '\n') loc.line++, loc.column = 0;
        loc.column++;
        i += length ? (size_t)length : 1;
    }
    return loc;
}

/* ---- syntax errors in plain words ---- */

static const char *plain_words(const char *problem)
{
    static const char *const words[][2] = {
        {"mapping values are not allowed", "a ':' cannot stand here; indent this line as its neighbours, or put "
                                           "text that holds ': ' in quotes"},
        {"expected key", "this line is not indented like the keys around it"},
        {"expected '-' indicator", "a list item ('- ') is expected here; is the line indented like the list?"},
        {"expected ',' or '}'", "',' or '}' is expected here"},
        {"expected ',' or ']'", "',' or ']' is expected here"},
        {"could not find expected ':'", "a ':' is missing after this key"},
        {"unexpected end of stream", "the file ends inside a quoted text"},
        {"unexpected document indicator", "'---' or '...' inside a quoted text"},
        {"unknown escape character", "an escape that YAML does not know; in \"...\" a backslash is written \\\\"},
        {"block sequence entries are not allowed", "a list item ('- ') cannot stand here; begin the list on a line "
                                                   "of its own"},
        {"block mapping entries are not allowed", "a key cannot stand here; begin the map on a line of its own"},
        {"mapping keys are not allowed", "a key cannot stand here"},
        {"<document start>", "something is left over here after the end of the model"},
        {"node content", "a value is expected here"},
        {"tab character", "a tab; YAML is indented with spaces alone"},
        {"control characters", "a control character, which YAML does not allow"},
        {NULL, NULL}};
    for (int i = 0; words[i][0]; i++)
        if (strstr(problem, words[i][0])) return words[i][1];
    return problem;
}

static bool in_flow_braces(const gr_text *s, size_t at)
{
    return at >= 1 && at < s->length && s->text[at] == '{' && s->text[at - 1] == '$';
}

static void report_unquoted(reader *r, gr_loc loc, size_t brace)
{
    const char *from = r->source->text + brace - 1, *end = r->source->text + r->source->length, *p = from;
    while (p < end && *p != '}' && *p != '\n') p++;
    int length = p < end && *p == '}' ? (int)(p - from) + 1 : 2;
    loc.column--;
    loc.length = length;
    gr_diag_error(r->diag, loc, "inside { } or [ ] an expression needs quotes: write \"%.*s\"", length, from);
}

static int syntax_error(reader *r)
{
    const yaml_parser_t *p = &r->parser;
    size_t at = byte_at(r->source, &p->problem_mark);
    gr_loc loc = loc_of(r, &p->problem_mark, NULL);
    const char *problem = p->problem ? p->problem : "YAML cannot read this";
    if (p->error == YAML_MEMORY_ERROR) {
        gr_diag_error(r->diag, loc, "out of memory");
    } else if (in_flow_braces(r->source, at)) {
        report_unquoted(r, loc, at);
    } else if (strstr(problem, "cannot start any token") && at < r->source->length) {
        char c = r->source->text[at];
        if (c == '\t') gr_diag_error(r->diag, loc, "a tab; YAML is indented with spaces alone");
        else gr_diag_error(r->diag, loc, "'%c' cannot begin a value; put it in quotes", c);
    } else if (at > 0 && at < r->source->length && r->source->text[at] == '[' && isalnum((unsigned char)r->source->text[at - 1])) {
        gr_diag_error(r->diag, loc, "'[' cannot follow a name; an output of a node is NODE.NAME, as in rnn.output");
    } else {
        gr_diag_error(r->diag, loc, "%s", plain_words(problem));
        bool elsewhere = p->context && !strstr(problem, "tab character") && p->context_mark.line != p->problem_mark.line;
        if (elsewhere) gr_diag_note(r->diag, loc_of(r, &p->context_mark, NULL), "what it belongs to begins here");
    }
    return -1;
}

/* ---- events ---- */

static int next_event(reader *r)
{
    yaml_event_delete(&r->event);
    return yaml_parser_parse(&r->parser, &r->event) ? 0 : syntax_error(r);
}

GR_PRINTF(3, 4)
static void mistake(reader *r, gr_loc at, const char *fmt, ...)
{
    if (r->errors++ >= MAX_ERRORS) return;
    va_list args;
    va_start(args, fmt);
    gr_diag_verror(r->diag, at, fmt, args);
    va_end(args);
}

static gr_doc *new_doc(reader *r, gr_doc_kind kind)
{
    gr_loc at = loc_of(r, &r->event.start_mark, &r->event.end_mark);
    if (kind != GR_DOC_SCALAR && kind != GR_DOC_NULL) at.length = 1;
    if (r->nodes++ >= MAX_NODES) {
        gr_diag_error(r->diag, at, "the file holds more than %d values", MAX_NODES);
        return NULL;
    }
    gr_doc *d = GR_NEW(r->arena, gr_doc);
    d->kind = kind;
    d->at = at;
    return d;
}

static void check_tag(reader *r, const yaml_char_t *tag)
{
    if (tag && strcmp((const char *)tag, "!") != 0)
        mistake(r, loc_of(r, &r->event.start_mark, NULL), "tags (%s) mean nothing in a model file",
                (const char *)tag);
}

static bool is_null(const char *s)
{
    return !*s || !strcmp(s, "~") || !strcmp(s, "null") || !strcmp(s, "Null") || !strcmp(s, "NULL");
}

static gr_doc *read_scalar(reader *r)
{
    const char *value = (const char *)r->event.data.scalar.value;
    size_t length = r->event.data.scalar.length;
    bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    check_tag(r, r->event.data.scalar.tag);
    gr_doc *d = new_doc(r, plain && is_null(value) ? GR_DOC_NULL : GR_DOC_SCALAR);
    if (!d) return NULL;
    if (memchr(value, 0, length)) mistake(r, d->at, "a NUL character cannot be part of a text");
    d->text = gr_arena_strndup(r->arena, value, length);
    d->plain = plain;
    return d;
}

/* ---- aliases ---- */

/* The slot of an anchor at the node in hand, or -1. */
static int add_anchor(reader *r, const yaml_char_t *name)
{
    if (!name) return -1;
    *GR_PUSH(r->arena, r->anchors, r->num_anchors, r->cap_anchors) =
        (anchor){gr_arena_strdup(r->arena, (const char *)name), NULL};
    return r->num_anchors - 1;
}

static gr_doc *copy_doc(reader *r, const gr_doc *from)
{
    if (r->copies++ >= MAX_COPIES || r->nodes++ >= MAX_NODES) return NULL;
    gr_doc *d = gr_arena_copy(r->arena, from, sizeof *from);
    if (d->count) d->item = GR_NEW_ARRAY(r->arena, gr_doc *, d->count);
    for (int i = 0; i < d->count; i++) {
        d->item[i] = copy_doc(r, from->item[i]);
        if (!d->item[i]) return NULL;
    }
    return d;
}

/* How many levels of lists and maps are in d. */
static int depth_of(const gr_doc *d)
{
    int deepest = 0;
    for (int i = 0; i < d->count; i++) {
        int n = depth_of(d->item[i]);
        if (n > deepest) deepest = n;
    }
    return deepest + (d->kind == GR_DOC_LIST || d->kind == GR_DOC_MAP);
}

static gr_doc *read_alias(reader *r, int depth)
{
    gr_loc at = loc_of(r, &r->event.start_mark, &r->event.end_mark);
    const char *name = (const char *)r->event.data.alias.anchor;
    for (int i = r->num_anchors - 1; i >= 0; i--) {
        const anchor *a = &r->anchors[i];
        if (strcmp(a->name, name) != 0) continue;
        if (!a->doc) {
            gr_diag_error(r->diag, at, "'*%s' stands inside what '&%s' names", name, name);
            return NULL;
        }
        gr_doc *d = depth + depth_of(a->doc) > MAX_DEPTH ? NULL : copy_doc(r, a->doc);
        if (!d) gr_diag_error(r->diag, at, "aliases make the file too large or too deep");
        return d;
    }
    gr_diag_error(r->diag, at, "no anchor '&%s' stands before '*%s'", name, name);
    return NULL;
}

/* ---- lists and maps ---- */

static gr_doc *read_list(reader *r, int depth)
{
    gr_doc *list = new_doc(r, GR_DOC_LIST);
    int cap = 0;
    check_tag(r, r->event.data.sequence_start.tag);
    if (!list) return NULL;
    for (;;) {
        if (next_event(r)) return NULL;
        if (r->event.type == YAML_SEQUENCE_END_EVENT) return list;
        gr_doc *item = read_node(r, depth + 1);
        if (!item) return NULL;
        if (item->kind == GR_DOC_NULL && !*item->text)
            mistake(r, item->at, "an empty list item; indent what belongs to it, or write ~ for none");
        *GR_PUSH(r->arena, list->item, list->count, cap) = item;
    }
}

/* The key in hand as a scalar, NULL after an error. */
static gr_doc *read_key(reader *r)
{
    gr_loc at = loc_of(r, &r->event.start_mark, &r->event.end_mark);
    if (r->event.type == YAML_SCALAR_EVENT) {
        gr_doc *key = read_scalar(r);
        if (key && !*key->text) {
            gr_diag_error(r->diag, at, "a key is missing before this ':'");
            return NULL;
        }
        return key;
    }
    size_t brace = byte_at(r->source, &r->event.start_mark);
    if (in_flow_braces(r->source, brace)) report_unquoted(r, at, brace);
    else gr_diag_error(r->diag, at, "a key must be a name");
    return NULL;
}

static gr_doc *find_key(const gr_doc *map, const gr_map *index, const char *key)
{
    if (index) return gr_map_get(index, key);
    for (int i = 0; i < map->count; i++)
        if (strcmp(map->item[i]->key, key) == 0) return map->item[i];
    return NULL;
}

/* flow: within { }, where commas end what stands before them. */
static void check_value(reader *r, const gr_doc *value, bool flow)
{
    const char *colon = strchr(value->key, ':');
    if (!gr_doc_is_missing(value)) return;
    if (colon) mistake(r, value->key_at, "'%s' has no value; a space stands behind the colon: %.*s: %s", value->key, (int)(colon - value->key), value->key, colon + 1);
    else if (flow) mistake(r, value->key_at, "'%s' has no value: the comma before it ends a value; write a list as [a, b], a text with commas in quotes, "
                                             "a number without", value->key);
    else mistake(r, value->key_at, "'%s' has no value; indent what belongs to it further than '%s' itself, or write ~ "
                              "for none", value->key, value->key);
}

/* Adds an entry unless the map has that key. */
static void add_entry(reader *r, gr_doc *map, int *cap, gr_map **index, gr_doc *value)
{
    const gr_doc *other = find_key(map, *index, value->key);
    if (other) {
        if (r->errors < MAX_ERRORS) {
            mistake(r, value->key_at, "'%s' is given twice", value->key);
            gr_diag_note(r->diag, other->key_at, "it is given here already");
        }
        return;
    }
    *GR_PUSH(r->arena, map->item, map->count, *cap) = value;
    if (*index) gr_map_set(*index, value->key, value);
    if (map->count != SMALL_MAP) return;
    *index = gr_map_create(r->arena);
    for (int i = 0; i < map->count; i++) gr_map_set(*index, map->item[i]->key, map->item[i]);
}

static gr_doc *read_map(reader *r, int depth)
{
    gr_doc *map = new_doc(r, GR_DOC_MAP);
    gr_map *index = NULL;
    const bool flow = r->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
    int cap = 0;
    check_tag(r, r->event.data.mapping_start.tag);
    if (!map) return NULL;
    for (;;) {
        if (next_event(r)) return NULL;
        if (r->event.type == YAML_MAPPING_END_EVENT) return map;
        gr_doc *key = read_key(r);
        if (!key || next_event(r)) return NULL;
        gr_doc *value = read_node(r, depth + 1);
        if (!value) return NULL;
        value->key = key->text;
        value->key_at = key->at;
        check_value(r, value, flow && map->count);
        add_entry(r, map, &cap, &index, value);
    }
}

static gr_doc *read_node(reader *r, int depth)
{
    gr_doc *d = NULL;
    int slot = -1;
    bool nests = r->event.type == YAML_SEQUENCE_START_EVENT || r->event.type == YAML_MAPPING_START_EVENT;
    if (nests && depth >= MAX_DEPTH) {
        gr_diag_error(r->diag, loc_of(r, &r->event.start_mark, NULL), "nested more than %d deep", MAX_DEPTH);
        return NULL;
    }
    switch (r->event.type) {
    case YAML_ALIAS_EVENT: return read_alias(r, depth);
    case YAML_SCALAR_EVENT:
        slot = add_anchor(r, r->event.data.scalar.anchor);
        d = read_scalar(r);
        break;
    case YAML_SEQUENCE_START_EVENT:
        slot = add_anchor(r, r->event.data.sequence_start.anchor);
        d = read_list(r, depth);
        break;
    case YAML_MAPPING_START_EVENT:
        slot = add_anchor(r, r->event.data.mapping_start.anchor);
        d = read_map(r, depth);
        break;
    default: gr_diag_error(r->diag, loc_of(r, &r->event.start_mark, NULL), "a value is expected here");
    }
    if (slot >= 0) r->anchors[slot].doc = d;
    return d;
}

/* ---- the whole text ---- */

/* What YAML allows besides tab and line breaks. */
static bool is_printable(uint32_t c)
{
    if (c < 0x20) return c == '\t' || c == '\n' || c == '\r';
    return c < 0x7f || c == 0x85 || (c >= 0xa0 && c != 0xfeff && c != 0xfffe && c != 0xffff);
}

static int check_text(gr_diag *d, const gr_text *s)
{
    if (s->length > MAX_BYTES) {
        gr_diag_error(d, (gr_loc){s, 1, 1, 1}, "the file is larger than 16 MiB; put data into files of its own");
        return -1;
    }
    for (size_t i = 0; i < s->length;) {
        uint32_t c = 0;
        int length = gr_utf8_decode(s->text + i, s->length - i, &c);
        if (length && is_printable(c)) {
            i += (size_t)length;
            continue;
        }
        gr_loc at = loc_of_byte(s, i);
        if (!length) gr_diag_error(d, at, "this is not UTF-8 text (byte %zu is 0x%02x)", i, (unsigned char)s->text[i]);
        else if (!c) gr_diag_error(d, at, "a NUL byte; this is not a text file");
        else gr_diag_error(d, at, "a control character (U+%04X), which YAML does not allow", (unsigned)c);
        return -1;
    }
    return 0;
}

static void delete_reader(void *p)
{
    reader *r = p;
    yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
}

static gr_doc *read_document(reader *r)
{
    do {
        if (next_event(r)) return NULL;
    } while (r->event.type == YAML_STREAM_START_EVENT);
    if (r->event.type == YAML_STREAM_END_EVENT) {
        gr_diag_error(r->diag, (gr_loc){r->source, 1, 1, 1}, "the file is empty");
        return NULL;
    }
    if (next_event(r)) return NULL; /* past the start of the document */
    gr_doc *root = read_node(r, 0);
    if (!root || next_event(r) || next_event(r)) return NULL;
    if (r->event.type != YAML_STREAM_END_EVENT) {
        gr_diag_error(r->diag, loc_of(r, &r->event.start_mark, NULL), "a second document; a model is one");
        return NULL;
    }
    root->used = true;
    return root;
}

gr_doc *gr_doc_read_text(gr_arena *a, const char *name, const char *text, size_t length, gr_diag *d)
{
    reader *r = GR_NEW(a, reader);
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3, length -= 3;
    r->arena = a;
    r->diag = d;
    r->source = GR_NEW(a, gr_text);
    *r->source = (gr_text){gr_arena_strdup(a, name), gr_arena_strndup(a, text, length), length};
    if (check_text(d, r->source)) return NULL;
    gr_arena_defer(a, delete_reader, r);
    if (!yaml_parser_initialize(&r->parser)) {
        gr_diag_error(d, (gr_loc){r->source, 1, 1, 1}, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)r->source->text, length);
    gr_doc *root = read_document(r);
    delete_reader(r); /* leaves zeros, so that the deferred call does nothing */
    return root;
}

static void close_file(void *p)
{
    FILE **f = p;
    if (*f) fclose(*f);
    *f = NULL;
}

gr_doc *gr_doc_read_file(gr_arena *a, const char *path, gr_diag *d, gr_error *e)
{
    enum { PIECE = 1 << 16 };
    FILE **f = GR_NEW(a, FILE *);
    gr_arena_defer(a, close_file, f);
    *f = fopen(path, "rb");
    if (!*f) {
        gr_set_error(e, GR_EIO, "cannot open '%s': %s", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    size_t length = 0, cap = 0;
    for (size_t got = 1; got > 0 && length <= MAX_BYTES; length += got) {
        if (length + PIECE > cap) {
            cap = cap ? 2 * cap : 2 * PIECE;
            char *bigger = gr_arena_alloc(a, cap);
            if (length) memcpy(bigger, text, length);
            text = bigger;
        }
        got = fread(text + length, 1, PIECE, *f);
    }
    bool failed = ferror(*f);
    close_file(f);
    if (failed) {
        gr_set_error(e, GR_EIO, "cannot read '%s': %s", path, strerror(errno));
        return NULL;
    }
    gr_doc *root = gr_doc_read_text(a, path, text, length, d);
    if (!root) gr_set_error(e, GR_EINVAL, "'%s' is not a model file that can be read", path);
    return root;
}
