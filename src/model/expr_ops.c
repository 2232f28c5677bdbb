/* expr_ops.c - arithmetic of the expression language: Python's, but for `/`, which on integers
 * is exact or an error, and for integers, which are 64 bits or an error. */
#include "model/internal.h"

#include <math.h>
#include <string.h>

static gr_var int_var(int64_t i) { return (gr_var){.kind = GR_VAR_INT, .i = i}; }
static gr_var float_var(double f) { return (gr_var){.kind = GR_VAR_FLOAT, .f = f}; }
static gr_var bool_var(bool b) { return (gr_var){.kind = GR_VAR_BOOL, .i = b}; }

static bool is_number(const gr_var *v) { return v->kind == GR_VAR_INT || v->kind == GR_VAR_FLOAT; }
static double number(const gr_var *v) { return v->kind == GR_VAR_INT ? (double)v->i : v->f; }

static int64_t floor_div(int64_t x, int64_t y)
{
    int64_t q = x / y;
    return q - (x % y != 0 && (x < 0) != (y < 0));
}

/* x to the y, y >= 0; true: does not fit. */
static bool power_overflows(int64_t x, int64_t y, int64_t *out)
{
    int64_t result = 1;
    for (; y > 0; y >>= 1) {
        if ((y & 1) && __builtin_mul_overflow(result, x, &result)) return true;
        if (y > 1 && __builtin_mul_overflow(x, x, &x)) return true;
    }
    *out = result;
    return false;
}

static int int_binary(gr_arena *a, const char *op, int64_t x, int64_t y, gr_var *out, const char **why)
{
    int64_t r = 0;
    bool over = false;
    if (strchr("/%", op[0]) && y == 0) return *why = "division by zero", -1;
    if (strchr("/%", op[0]) && y == -1 && x == INT64_MIN) over = true;
    else if (!strcmp(op, "+")) over = __builtin_add_overflow(x, y, &r);
    else if (!strcmp(op, "-")) over = __builtin_sub_overflow(x, y, &r);
    else if (!strcmp(op, "*")) over = __builtin_mul_overflow(x, y, &r);
    else if (!strcmp(op, "//")) r = floor_div(x, y);
    else if (!strcmp(op, "%")) r = x - y * floor_div(x, y);
    else if (!strcmp(op, "**")) {
        if (y < 0) return *out = float_var(pow((double)x, (double)y)), 0;
        over = power_overflows(x, y, &r);
    } else { /* "/" */
        r = x / y;
        if (x % y) {
            *why = gr_arena_printf(a, "%lld / %lld is no integer; write // to round down, or %lld.0 for a number "
                                      "with a fraction", (long long)x, (long long)y, (long long)x);
            return -1;
        }
    }
    if (over) return *why = "the result is beyond 64 bits", -1;
    *out = int_var(r);
    return 0;
}

static int float_binary(const char *op, double x, double y, gr_var *out, const char **why)
{
    if (strchr("/%", op[0]) && y == 0) return *why = "division by zero", -1;
    double r = !strcmp(op, "+")    ? x + y
               : !strcmp(op, "-")  ? x - y
               : !strcmp(op, "*")  ? x * y
               : !strcmp(op, "/")  ? x / y
               : !strcmp(op, "//") ? floor(x / y)
               : !strcmp(op, "%")  ? x - y * floor(x / y)
                                   : pow(x, y);
    *out = float_var(r);
    return 0;
}

static bool equal(const gr_var *x, const gr_var *y)
{
    if (is_number(x) && is_number(y))
        return x->kind == GR_VAR_INT && y->kind == GR_VAR_INT ? x->i == y->i : number(x) == number(y);
    if (x->kind != y->kind) return false;
    if (x->kind == GR_VAR_TEXT) return strcmp(x->text, y->text) == 0;
    if (x->kind == GR_VAR_BOOL) return x->i == y->i;
    if (x->kind != GR_VAR_LIST) return true;
    bool same = x->count == y->count;
    for (int i = 0; same && i < x->count; i++) same = equal(&x->item[i], &y->item[i]);
    return same;
}

/* How x and y are ordered: -1, 0, 1; 2: not at all (NaN). */
static int order(const gr_var *x, const gr_var *y)
{
    if (x->kind == GR_VAR_TEXT) {
        int c = strcmp(x->text, y->text);
        return (c > 0) - (c < 0);
    }
    if (x->kind == GR_VAR_INT && y->kind == GR_VAR_INT) return (x->i > y->i) - (x->i < y->i);
    double p = number(x), q = number(y);
    return p < q ? -1 : p > q ? 1 : p == q ? 0 : 2;
}

static const char *kind_text(gr_arena *a, const gr_var *v)
{
    if (v->kind == GR_VAR_TEXT) return gr_arena_printf(a, "the text '%s'", v->text);
    if (v->kind == GR_VAR_LIST) return "a list";
    return v->kind == GR_VAR_NONE ? "none" : gr_var_text(a, v);
}

int gr_apply_binary(gr_arena *a, const char *op, const gr_var *x, const gr_var *y, gr_var *out, const char **why)
{
    if (!strcmp(op, "==")) return *out = bool_var(equal(x, y)), 0;
    if (!strcmp(op, "!=")) return *out = bool_var(!equal(x, y)), 0;
    bool compares = op[0] == '<' || op[0] == '>', texts = x->kind == GR_VAR_TEXT && y->kind == GR_VAR_TEXT;
    if (!(is_number(x) && is_number(y)) && !(compares && texts)) {
        const gr_var *bad = is_number(x) ? y : x;
        *why = gr_arena_printf(a, "'%s' takes numbers, not %s", op, kind_text(a, bad));
        return -1;
    }
    if (compares) {
        int c = order(x, y);
        bool is_equal = op[1] == '=' && c == 0;
        *out = bool_var(is_equal || c == (op[0] == '<' ? -1 : 1));
        return 0;
    }
    if (x->kind == GR_VAR_INT && y->kind == GR_VAR_INT) return int_binary(a, op, x->i, y->i, out, why);
    return float_binary(op, number(x), number(y), out, why);
}

/* ---- functions ---- */

const char *const gr_function_names[] = {"min", "max", "abs", "floor", "ceil", "round", "sqrt", "log",
                                         "exp", "int", "float", "len", "width", NULL};

bool gr_is_function(const char *name)
{
    for (int i = 0; gr_function_names[i]; i++)
        if (!strcmp(name, gr_function_names[i])) return true;
    return false;
}

static int to_int(gr_arena *a, double f, gr_var *out, const char **why)
{
    if (!(f >= -0x1p63 && f < 0x1p63)) return *why = gr_arena_printf(a, "%g is no 64-bit integer", f), -1;
    *out = int_var((int64_t)f);
    return 0;
}

static int extreme(gr_arena *a, const char *name, int n, const gr_var *arg, gr_var *out, const char **why)
{
    if (n == 1 && arg->kind == GR_VAR_LIST) n = arg->count, arg = arg->item;
    if (!n) return *why = gr_arena_printf(a, "%s() of nothing", name), -1;
    *out = arg[0];
    for (int i = 0; i < n; i++) {
        if (!is_number(&arg[i]))
            return *why = gr_arena_printf(a, "%s() takes numbers, not %s", name, kind_text(a, &arg[i])), -1;
        if (order(&arg[i], out) == (name[1] == 'i' ? -1 : 1)) *out = arg[i];
    }
    return 0;
}

static int length_of(gr_arena *a, const gr_var *v, gr_var *out, const char **why)
{
    if (v->kind == GR_VAR_LIST) return *out = int_var(v->count), 0;
    if (v->kind == GR_VAR_TEXT) return *out = int_var((int64_t)strlen(v->text)), 0;
    return *why = gr_arena_printf(a, "len() takes a list or a text, not %s", kind_text(a, v)), -1;
}

static int real_function(gr_arena *a, const char *name, double x, gr_var *out, const char **why)
{
    if (!strcmp(name, "floor")) return to_int(a, floor(x), out, why);
    if (!strcmp(name, "ceil")) return to_int(a, ceil(x), out, why);
    if (!strcmp(name, "round")) return to_int(a, nearbyint(x), out, why);
    if (!strcmp(name, "int")) return to_int(a, trunc(x), out, why);
    bool is_log = !strcmp(name, "log");
    if ((is_log && x <= 0) || (!strcmp(name, "sqrt") && x < 0))
        return *why = gr_arena_printf(a, "%s(%g) is not a number", name, x), -1;
    *out = float_var(is_log ? log(x) : !strcmp(name, "sqrt") ? sqrt(x) : !strcmp(name, "exp") ? exp(x) : x);
    return 0;
}

static int absolute(const gr_var *v, gr_var *out, const char **why)
{
    if (v->kind == GR_VAR_FLOAT) return *out = float_var(fabs(v->f)), 0;
    if (v->i == INT64_MIN) return *why = "the result is beyond 64 bits", -1;
    *out = int_var(v->i < 0 ? -v->i : v->i);
    return 0;
}

int gr_apply_function(gr_arena *a, const char *name, int n, const gr_var *arg, gr_var *out, const char **why)
{
    if (!strcmp(name, "min") || !strcmp(name, "max")) return extreme(a, name, n, arg, out, why);
    if (n != 1) return *why = gr_arena_printf(a, "%s() takes one value, not %d", name, n), -1;
    if (!strcmp(name, "len")) return length_of(a, arg, out, why);
    if (!is_number(arg)) return *why = gr_arena_printf(a, "%s() takes a number, not %s", name, kind_text(a, arg)), -1;
    if (!strcmp(name, "abs")) return absolute(arg, out, why);
    bool keeps = arg->kind == GR_VAR_INT && strcmp(name, "sqrt") && strcmp(name, "log") && strcmp(name, "exp") &&
                 strcmp(name, "float");
    if (keeps) return *out = *arg, 0;
    return real_function(a, name, number(arg), out, why);
}
