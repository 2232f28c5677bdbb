/* test_expr.c - vars and ${...}: values, kinds, places of mistakes, any bytes. */
#include "model/internal.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t port_width(void *data, const char *port)
{
    (void)data;
    return !strcmp(port, "x") ? 12 : !strcmp(port, "bad") ? -2 : -1;
}

static const char *const ports[] = {"x", "bad", NULL};

/* A model with some vars, and nothing else. */
static gr_model *bench(void)
{
    static const char vars[] = "{hidden: 256, lr: 0.5, name: tanh, bias: true, sizes: [1, 2, 3], twice: \"${2 * hidden}\", "
                               "loop: $pool, pool: $loop}";
    gr_arena *a = gr_arena_create();
    gr_model *m = GR_NEW(a, gr_model);
    m->arena = a;
    m->diag = gr_diag_create(a);
    m->scope = gr_scope_create(a, NULL);
    m->scope->width = port_width;
    m->scope->ports = ports;
    m->root = gr_doc_read_text(a, "vars", vars, strlen(vars), m->diag);
    for (int i = 0; i < m->root->count; i++)
        gr_scope_define(a, m->scope, m->root->item[i]->key, m->root->item[i], m->scope, m->root->item[i]);
    gr_scope_set(a, m->scope, "data.vocab", (gr_var){.kind = GR_VAR_INT, .i = 28}, NULL);
    return m;
}

static gr_doc *read_yaml(gr_model *m, const char *yaml)
{
    return gr_doc_read_text(m->arena, "m.yaml", yaml, strlen(yaml), m->diag);
}

static gr_var eval(gr_model *m, const char *yaml)
{
    gr_doc *d = read_yaml(m, yaml);
    return d ? gr_eval(m, m->scope, d) : (gr_var){0};
}

/* The value as text, with its kind first: "i 3". */
static void gives(const char *yaml, const char *expected)
{
    static const char kinds[] = "nifbtl";
    gr_model *m = bench();
    gr_var v = eval(m, yaml);
    gr_loc at;
    const char *text = gr_arena_printf(m->arena, "%c %s", kinds[v.kind], gr_var_text(m->arena, &v));
    const char *message = gr_diag_message(m->diag, 0, &at);
    if (strcmp(text, expected) || message)
        fprintf(stderr, "\n%s -> %s (expected %s) %s\n", yaml, text, expected, message ? message : "");
    CU_ASSERT_STRING_EQUAL(text, expected);
    CU_ASSERT_PTR_NULL(message);
    gr_arena_destroy(m->arena);
}

static void fails(const char *yaml, int column, const char *words)
{
    gr_model *m = bench();
    gr_var v = eval(m, yaml);
    gr_loc at = {0};
    const char *message = gr_diag_message(m->diag, 0, &at);
    bool fine = message && strstr(message, words) && at.column == column && gr_diag_count(m->diag) == 1;
    if (!fine) fprintf(stderr, "\n%s -> %d %s (expected %d %s)\n", yaml, at.column, message ? message : "no message", column, words);
    CU_ASSERT_TRUE(fine);
    CU_ASSERT_EQUAL(v.kind, GR_VAR_NONE);
    gr_arena_destroy(m->arena);
}

static void kinds(void)
{
    gives("3", "i 3");
    gives("1e-5", "f 1e-05");
    gives("true", "b true");
    gives("'3'", "t 3");
    gives("~", "n ~");
    gives("[1, 2.5, a, [true]]", "l [1, 2.5, a, [true]]");
    gives("$hidden", "i 256");
    gives("$lr", "f 0.5");
    gives("$bias", "b true");
    gives("$sizes", "l [1, 2, 3]");
    gives("$data.vocab", "i 28");
    gives("\"${hidden}\"", "i 256");
    gives("$twice", "i 512");
    gives("n_$hidden-${lr}.txt", "t n_256-0.5.txt");
    gives("$name.txt", "t tanh.txt");
    gives("$$hidden costs 3$$", "t $hidden costs 3$");
    gives("[$hidden, \"${1 + 1}\"]", "l [256, 2]");
}

static void arithmetic(void)
{
    gives("${2 * hidden}", "i 512");
    gives("${1 + 2 * 3 - 4}", "i 3");
    gives("${(1 + 2) * 3}", "i 9");
    gives("${7 // 2}", "i 3");
    gives("${-7 // 2}", "i -4");
    gives("${-7 % 3}", "i 2");
    gives("${6 / 3}", "i 2");
    gives("${7 / 2.0}", "f 3.5");
    gives("${2 ** 10}", "i 1024");
    gives("${2 ** -1}", "f 0.5");
    gives("${-2 ** 2}", "i -4");
    gives("${2 ** 3 ** 2}", "i 512");
    gives("${0x10 + 1}", "i 17");
    gives("${1.5e1}", "f 15.0");
    gives("${- lr}", "f -0.5");
    gives("${min(3, 2, 5)}", "i 2");
    gives("${max(sizes)}", "i 3");
    gives("${abs(-3) + floor(2.7) + ceil(2.1) + round(2.5)}", "i 10");
    gives("${sqrt(16)}", "f 4.0");
    gives("${int(3.9) + len(sizes) + len(name)}", "i 10");
    gives("${float(3)}", "f 3.0");
    gives("${width(x) // 4}", "i 3");
    gives("${sizes[-1] + sizes[0]}", "i 4");
    gives("${[hidden, 2 * hidden]}", "l [256, 512]");
    gives("${log(exp(1))}", "f 1.0");
}

static void logic(void)
{
    gives("${hidden > 100 and name == 'tanh'}", "b true");
    gives("${not bias or hidden != 256}", "b false");
    gives("${1 if bias else 2}", "i 1");
    gives("${1 if not bias else 2}", "i 2");
    gives("${1 if hidden < 1 else 2 if hidden < 300 else 3}", "i 2");
    gives("${0 if bias else 1 / 0}", "i 0");
    gives("${1 / 0 if not bias else 'x'}", "t x");
    gives("${bias or 1 / 0 == 1}", "b true");
    gives("${not bias and 1 / 0 == 1}", "b false");
    gives("${(1 if bias else 2) + [3 if bias else 4, 5][0]}", "i 4");
    gives("${1 == 1.0}", "b true");
    gives("${name == none}", "b false");
    gives("${'a' < 'b'}", "b true");
    gives("${sizes == [1, 2, 3]}", "b true");
}

static void mistakes(void)
{
    fails("$hiden", 2, "no var is called 'hiden'; did you mean 'hidden'?");
    fails("x ${1 + hiden} y", 9, "did you mean 'hidden'?");
    fails("\"${7 / 2}\"", 4, "write //");
    fails("${1 + }", 7, "a value is expected here, not '}'");
    fails("${1 2}", 5, "an operator or '}'");
    fails("${1", 1, "without its '}'");
    fails("${(1 + 2}", 9, "')' is expected");
    fails("${1 // 0}", 3, "division by zero");
    fails("${1 % 0}", 3, "division by zero");
    fails("${name + 1}", 3, "'+' takes numbers, not the text 'tanh'");
    fails("${9223372036854775807 + 1}", 3, "beyond 64 bits");
    fails("${2 ** 64}", 3, "beyond 64 bits");
    fails("${99999999999999999999}", 3, "beyond 64 bits");
    fails("${sqr(4)}", 3, "did you mean 'sqrt'?");
    fails("${sqrt(-1)}", 3, "not a number");
    fails("${sqrt(1, 2)}", 3, "takes one value");
    fails("${width(y)}", 9, "no input is called 'y'");
    fails("${1 if 2 else 3}", 8, "true or false is expected");
    fails("${1 if bias}", 12, "'else' is expected");
    fails("${1 < 2 < 3}", 9, "joined by 'and'");
    fails("${sizes[3]}", 3, "3 items");
    fails("${$hidden}", 3, "without '$'");
    fails("${'x}", 3, "no closing");
    fails("5$", 2, "write $$");
    fails("$data.vocabulary", 2, "did you mean 'data.vocab'?");
    fails("{a: 1}", 1, "not a map");
    fails("${min}", 3, "min is a function");
    gr_model *m = bench();
    gr_loc at;
    CU_ASSERT_EQUAL(eval(m, "$loop").kind, GR_VAR_NONE);
    CU_ASSERT_EQUAL(gr_diag_count(m->diag), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(m->diag, 0, &at), "defined by itself"));
    CU_ASSERT_EQUAL(eval(m, "$loop $pool").kind, GR_VAR_NONE);
    CU_ASSERT_EQUAL(gr_diag_count(m->diag), 1);
    gr_arena_destroy(m->arena);
}

static gr_doc *var_doc(gr_model *m, const char *name) { return gr_scope_find(m->scope, name)->origin; }

static void uses(void)
{
    gr_model *m = bench();
    CU_ASSERT_FALSE(var_doc(m, "hidden")->used);
    eval(m, "$twice");
    CU_ASSERT_TRUE(var_doc(m, "hidden")->used);
    CU_ASSERT_TRUE(var_doc(m, "twice")->used);
    eval(m, "${1 if bias else lr}"); /* both arms count */
    CU_ASSERT_TRUE(var_doc(m, "lr")->used);
    gr_doc *d = read_yaml(m, "{a: [\"${len(sizes) / 0}\"], when: name == 'x'}");
    gr_mention(m, m->scope, d);
    CU_ASSERT_TRUE(var_doc(m, "sizes")->used);
    CU_ASSERT_TRUE(var_doc(m, "name")->used);
    CU_ASSERT_TRUE(gr_doc_get(d, "a")->item[0]->used);
    CU_ASSERT_EQUAL(gr_diag_count(m->diag), 0);
    gr_arena_destroy(m->arena);
}

static void typed(void)
{
    gr_model *m = bench();
    gr_doc *d = read_yaml(m, "{a: $name, b: -1, c: [1], when: bias and hidden > 1, e: $twice, f: 0x10}");
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    int64_t i = 0;
    double f = 0;
    bool b = false;
    gr_loc at;
    CU_ASSERT_EQUAL(gr_eval_int(m, m->scope, gr_doc_get(d, "a"), 0, &i), -1);
    CU_ASSERT_EQUAL(gr_eval_int(m, m->scope, gr_doc_get(d, "b"), 0, &i), -1);
    CU_ASSERT_PTR_NULL(gr_eval_text(m, m->scope, gr_doc_get(d, "c")));
    CU_ASSERT_STRING_EQUAL(gr_diag_message(m->diag, 0, &at), "'a' takes an integer, not $name, which is 'tanh'");
    CU_ASSERT_STRING_EQUAL(gr_diag_message(m->diag, 1, &at), "'b' takes an integer of at least 0, not '-1'");
    CU_ASSERT_STRING_EQUAL(gr_diag_message(m->diag, 2, &at), "'c' takes a text, not a list");
    CU_ASSERT_TRUE(gr_eval_condition(m, m->scope, gr_doc_get(d, "when"), &b) == 0 && b);
    CU_ASSERT_TRUE(gr_eval_int(m, m->scope, gr_doc_get(d, "e"), 0, &i) == 0 && i == 512);
    CU_ASSERT_TRUE(gr_eval_float(m, m->scope, gr_doc_get(d, "e"), &f) == 0 && f == 512);
    CU_ASSERT_STRING_EQUAL(gr_eval_text(m, m->scope, gr_doc_get(d, "f")), "0x10");
    gr_var v = gr_var_parse(m, "[1, 2.5, tanh]");
    CU_ASSERT_EQUAL(v.count, 3);
    CU_ASSERT_STRING_EQUAL(gr_var_text(m->arena, &v), "[1, 2.5, tanh]");
    gr_arena_destroy(m->arena);
}

/* Text and lists that would grow without end, deep nesting, noise: a message, no crash. */
static void hostile(void)
{
    char yaml[4096];
    gr_model *m = bench();
    size_t n = (size_t)sprintf(yaml, "{a0: xxxxxxxxxxxxxxxx");
    for (int i = 1; i < 40; i++) n += (size_t)sprintf(yaml + n, ", a%d: $a%d$a%d, l%d: [$l%d, $l%d]", i, i - 1, i - 1, i, i - 1, i - 1);
    n += (size_t)sprintf(yaml + n, ", l0: 1}");
    gr_doc *d = gr_doc_read_text(m->arena, "m.yaml", yaml, n, m->diag);
    for (int i = 0; i < d->count; i++) gr_scope_define(m->arena, m->scope, d->item[i]->key, d->item[i], m->scope, d->item[i]);
    CU_ASSERT_EQUAL(eval(m, "$a39").kind, GR_VAR_NONE);
    CU_ASSERT_EQUAL(eval(m, "$l39").kind, GR_VAR_NONE);
    CU_ASSERT_EQUAL(gr_diag_count(m->diag), 2);
    const char *const deep[] = {"(", "[", "-", "not ", "2 ** ", "abs(", "1 if bias else "};
    for (size_t k = 0; k < sizeof deep / sizeof *deep; k++) {
        n = (size_t)sprintf(yaml, "${");
        while (n < 2000) n += (size_t)sprintf(yaml + n, "%s", deep[k]);
        sprintf(yaml + n, "1}");
        CU_ASSERT_EQUAL(eval(m, yaml).kind, GR_VAR_NONE);
    }
    uint32_t state = 7;
    static const char *const words[] = {"1", "hidden", "(", ")", "[", "]", ",", "+", "-", "*", "/", "//", "**", "%", "if", "else",
                                        "and", "or", "not", "==", "<", "min", "sizes", "'a'", "'", "}", "${", "$", ".", "2.5", " "};
    for (int round = 0; round < 5000; round++) {
        n = (size_t)sprintf(yaml, "${");
        for (int k = 0; k < 12; k++) {
            state = state * 1664525u + 1013904223u;
            n += (size_t)sprintf(yaml + n, "%s ", words[(state >> 8) % (sizeof words / sizeof *words)]);
        }
        sprintf(yaml + n, "}");
        gr_doc text = {.kind = GR_DOC_SCALAR, .text = yaml, .plain = true, .at = {NULL, 1, 1, (int)n + 1}};
        gr_eval(m, m->scope, &text);
        gr_mention(m, m->scope, &text);
    }
    gr_arena_destroy(m->arena);
}

void test_expr(void)
{
    CU_pSuite s = CU_add_suite("expr", NULL, NULL);
    CU_add_test(s, "a whole value keeps its kind", kinds);
    CU_add_test(s, "arithmetic", arithmetic);
    CU_add_test(s, "logic and the arm not taken", logic);
    CU_add_test(s, "every mistake has its place and words", mistakes);
    CU_add_test(s, "reading a var counts as its use", uses);
    CU_add_test(s, "typed values", typed);
    CU_add_test(s, "hostile expressions", hostile);
}
