/* test_dot_names.c - pictures of nodes that are called anything: the text stays text, in dot, SVG and Mermaid. */
#include "base/utf8.h"
#include "report/dot.h"
#include "report/dot_picture.h"
#include "rig.h"
#include "tests.h"

#include <CUnit/Basic.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What would end a label, begin a tag, an entity, an escape, a list or a comment somewhere. */
static const char *const names[] = {
    "say \"hi\"", "back\\slash\\", "\\N\\G\\l", "<b>bold</b>", "a & b &amp; &#60;", "{a|b|<f0> c}", "[x](y)", "two\nlines", "-- >", "]]>",
    "end", "1 one", "- item", "# head", "`code`", "*star* _under_", "%% comment", "%{init}%", "a;b", "quot#quot;", "subgraph", "$x^2$",
    "\xc3\xa9t\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80", "broken \xff\xc3 bytes", "tab\tbell\a", " ", "", "'", "..", "</svg>", "'><script>alert(1)</script>",
    "\xef\xbf\xbe", "graph", "node", "a->b", "n1", "click n1 call x()", "://x", "www.example.com",
    "averylongnamewithoutanyplacewhereitcouldbebrokenwhichgoesonandonuntilthepageisfull",
    "\xe5\x90\x8d\xe5\x89\x8d\xe5\x90\x8d\xe5\x89\x8d\xe5\x90\x8d\xe5\x89\x8d\xe5\x90\x8d\xe5\x89\x8d\xe5\x90\x8d\xe5\x89\x8d\xe5\x90\x8d\xe5\x89\x8d\xe5\x90\x8d\xe5\x89\x8d\xe5\x90\x8d\xe5\x89\x8d\xe5\x90\x8d\xe5\x89\x8d",
    "a_very_long_name_that_goes_on_and_on_and_on_and_would_make_a_box_as_wide_as_the_page_is"};
enum { NAMES = sizeof names / sizeof *names };

/* A chain of nodes, each called one of the names, with parameters and a loop that are too. */
static gr_picture *picture_of_names(rig *r, int depth)
{
    gr_val v = rig_input(r, names[0], "2, 3");
    for (int i = 1; i < NAMES; i++) {
        const char *name = *names[i] ? names[i] : "x";
        gr_val state = rig_state(r, gr_arena_printf(r->a, "%s.w%d", name, i), 1, (int64_t[]){3});
        v = gr_emit(r->c, "Add", name, 2, (gr_val[]){v, state}, NULL);
        if (i % 7 == 0) {
            gr_loop *l = gr_loop_begin(r->c, name, false);
            gr_val x = gr_loop_slice(r->c, l, name, v);
            gr_loop_stack(r->c, l, name, gr_emit(r->c, "Tanh", name, 1, &x, NULL));
            v = gr_loop_end(r->c, l);
        }
    }
    rig_result(r, "\"out\\", v);
    return gr_picture_of_graph(r->g, &(gr_dot_options){.title = "\"all\" \\ <names> & {more}\n", .depth = depth, .inside = depth == GR_DOT_FIT});
}

static char *text_of(const gr_picture *p, void (*write)(const gr_picture *, FILE *))
{
    static char *out; /* a local one looks to gcc as if it were returned itself */
    static size_t size;
    FILE *f = open_memstream(&out, &size);
    write(p, f);
    fclose(f);
    return out;
}

/* Every tag of a dot label is one that we write, and is closed. */
static int wrong_tags(const char *text)
{
    static const char *const known[] = {"B>", "/B>", "BR/>", "FONT", "/FONT>", "TABLE", "/TABLE>", "TR>", "/TR>", "TD>", "TD ", "/TD>"};
    int wrong = 0, open = 0;
    for (const char *s = strchr(strchr(text, '\n'), '<'); s; s = strchr(s + 1, '<')) {
        if (strncmp(s - 6, "label=", 6) == 0) continue;
        bool ok = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) ok |= strncmp(s + 1, known[i], strlen(known[i])) == 0;
        wrong += !ok;
        open += strncmp(s, "<B>", 3) == 0;
        open -= strncmp(s, "</B>", 4) == 0;
    }
    return wrong + abs(open);
}

static void no_line_is_too_long(void)
{
    gr_arena *a = gr_arena_create();
    for (int i = 0; i < NAMES; i++)
        for (const char *line = gr_pic_name(a, names[i]); line;) {
            const size_t n = strcspn(line, "\n");
            CU_ASSERT(gr_utf8_width(line, n) <= 34);
            line = line[n] ? line + n + 1 : NULL;
        }
    CU_ASSERT_STRING_EQUAL(gr_pic_wrap(a, "one, two,\nthree, four, five", 12), "one, two,\nthree, four,\nfive");
    CU_ASSERT_STRING_EQUAL(gr_pic_wrap(a, "exactlytwelv\nand more", 12), "exactlytwelv\nand more");
    CU_ASSERT_STRING_EQUAL(gr_pic_wrap(a, "exactlytwelv, and more", 12), "exactlytwelv,\nand more");
    CU_ASSERT_STRING_EQUAL(gr_pic_cut(a, "\xc3\xa9t\xc3\xa9s et hivers", 8), "\xc3\xa9t\xc3\xa9s e..");
    gr_arena_destroy(a);
}

static void dot_holds_any_name(void)
{
    for (int depth = GR_DOT_FIT; depth < 3; depth++) {
        rig r = rig_create(GR_FLOAT32);
        char *text = text_of(picture_of_names(&r, depth), gr_picture_write_dot);
        CU_ASSERT_EQUAL(wrong_tags(text), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "digraph \"\\\"all\\\" \\\\ <names> & {more} \" {\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "&lt;b&gt;bold&lt;/b&gt;"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "broken \xef\xbf\xbd\xef\xbf\xbd bytes"));
        free(text);
        rig_destroy(&r);
    }
}

/* SKIPPED, saying so, without Graphviz. */
static void graphviz_draws_any_name(void)
{
    for (int depth = GR_DOT_FIT; depth < 2; depth++) {
        rig r = rig_create(GR_FLOAT32);
        gr_picture *p = picture_of_names(&r, depth);
        gr_error e = {0};
        size_t size = 0;
        const char *png = gr_graphviz(p, "png", &size, &e);
        if (!png && strstr(e.message, "not installed")) {
            printf("\nskipped: %s\n", e.message);
            rig_destroy(&r);
            return;
        }
        CU_ASSERT_STRING_EQUAL(e.message, "");
        CU_ASSERT_FATAL(png && size > 1000 && memcmp(png, "\x89PNG", 4) == 0);
        const char *svg = gr_graphviz(p, "svg", &size, &e);
        CU_ASSERT_PTR_NOT_NULL_FATAL(svg);
        CU_ASSERT_EQUAL(strncmp(svg, "<svg class=\"graphrun-dot\" role=\"img\" aria-label=\"&quot;all&quot; \\ &lt;names&gt; &amp; {more} \" ", 90), 0);
        CU_ASSERT_PTR_NULL(strstr(svg, "<script"));
        CU_ASSERT_PTR_NULL(strstr(svg, " id=\""));
        CU_ASSERT_PTR_NOT_NULL(strstr(svg, "&lt;b&gt;bold&lt;/b&gt;"));
        CU_ASSERT_PTR_NOT_NULL(strstr(svg, "prefers-color-scheme: dark"));
        CU_ASSERT_EQUAL(strstr(svg, "</svg>") - svg + 7, (ptrdiff_t)size); /* the only end */
        rig_destroy(&r);
    }
}

/* Between the quotes of Mermaid's labels stand letters, plain marks, entities and <br/> alone. */
static int wrong_labels(const char *text)
{
    int wrong = 0;
    bool inside = false;
    for (const char *s = text; *s; s++) {
        if (*s == '\n') wrong += inside, inside = false;
        if (*s == '"') inside = !inside;
        if (!inside || *s == '"') continue;
        if (strncmp(s, "<br/>", 5) == 0) s += 4;
        else if (*s == '#') {
            size_t digits = strspn(s + 1, "0123456789");
            wrong += digits == 0 || s[1 + digits] != ';';
            s += digits + 1;
        }
        else wrong += !(isalnum((unsigned char)*s) || (unsigned char)*s > 127 || strchr(" ,._-=+()", *s));
    }
    return wrong;
}

static void mermaid_holds_any_name(void)
{
    for (int depth = GR_DOT_FIT; depth < 3; depth++) {
        rig r = rig_create(GR_FLOAT32);
        char *text = text_of(picture_of_names(&r, depth), gr_picture_write_mermaid);
        CU_ASSERT_EQUAL(strncmp(text, "flowchart TD\n", 13), 0);
        CU_ASSERT_EQUAL(wrong_labels(text), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"#8203;1 one"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "#60;b#62;bold#60;#47;b#62;"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "a_very_long_name_that_goes"));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "#91;x#93;#8203;(y)")); /* no link */
        free(text);
        rig_destroy(&r);
    }
}

/* Of what means something somewhere, in any order; and any bytes. */
static uint32_t next_number(uint32_t *state) { return (*state = *state * 1664525 + 1013904223) >> 8; }

static const char *random_name(gr_arena *a, uint32_t *state)
{
    static const char *const parts[] = {"<", ">", "&", ";", "#", "\"", "\\", "'", "`", "[", "]", "(", ")", "{", "}", "|", "-", "--", "->", "=", "\n", " ", "_", "*", "~", "$",
                                        "%%", "/", ":", "@", "!", "?", "^", "+", ".", "1", "end", "<b>", "</B>", "<BR/>", "&amp;", "#35;", "graph", "\xc3\xa9", "\xf0\x9f\x98\x80"};
    const char *name = "n"; /* one that begins with a quote would be the gradient of nothing */
    for (int n = (int)(next_number(state) % 12); n >= 0; n--) {
        const uint32_t r = next_number(state);
        const char byte[2] = {(char)(1 + (r >> 4) % 255), 0};
        name = gr_arena_printf(a, "%s%s", name, r % 4 ? parts[(r >> 4) % (sizeof parts / sizeof *parts)] : byte);
    }
    return name;
}

static void any_random_name_is_held(void)
{
    uint32_t rng = 7;
    for (int round = 0; round < 40; round++) {
        rig r = rig_create(GR_FLOAT32);
        gr_val v = rig_input(&r, "x", "2, 3");
        for (int i = 0; i < 10; i++) v = gr_emit(r.c, "Tanh", random_name(r.a, &rng), 1, &v, NULL);
        rig_result(&r, "out", v);
        const gr_picture *p = gr_picture_of_graph(r.g, &(gr_dot_options){.title = random_name(r.a, &rng), .depth = round % 3});
        char *dot = text_of(p, gr_picture_write_dot);
        CU_ASSERT_EQUAL(wrong_tags(dot), 0);
        free(dot);
        char *mermaid = text_of(p, gr_picture_write_mermaid);
        CU_ASSERT_EQUAL(wrong_labels(mermaid), 0);
        free(mermaid);
        rig_destroy(&r);
    }
}

void test_dot_names(void)
{
    CU_pSuite s = CU_add_suite("dot_names", NULL, NULL);
    CU_add_test(s, "no line of a name is too long", no_line_is_too_long);
    CU_add_test(s, "labels of dot hold any name", dot_holds_any_name);
    CU_add_test(s, "Graphviz draws any name", graphviz_draws_any_name);
    CU_add_test(s, "labels of Mermaid hold any name", mermaid_holds_any_name);
    CU_add_test(s, "labels hold random names", any_random_name_is_held);
}
