/* print.c - tensors as text. */
#include "print.h"

#define SHOWN 8 /* of an axis; of a longer one, its first and last */

static void print_element(const gr_type *t, const void *data, int64_t i)
{
    if (gr_is_float(t->dtype)) printf("%.6g", gr_element(data, t->dtype, i));
    else printf("%lld", (long long)gr_element(data, t->dtype, i));
}

static void print_axis(const gr_type *t, const void *data, int axis, int64_t at)
{
    if (axis == t->rank) {
        print_element(t, data, at);
        return;
    }
    int64_t size = 1;
    for (int k = axis + 1; k < t->rank; k++) size *= t->dim[k];
    putchar('[');
    for (int64_t i = 0; i < t->dim[axis]; i++) {
        if (i) fputs(axis == t->rank - 1 ? ", " : ",\n ", stdout);
        if (i == SHOWN / 2 && t->dim[axis] > SHOWN) {
            fputs("..., ", stdout);
            i = t->dim[axis] - SHOWN / 2;
        }
        print_axis(t, data, axis + 1, at + i * size);
    }
    putchar(']');
}

void print_tensor(const char *name, const gr_type *t, const void *data)
{
    gr_arena *a = gr_arena_create();
    printf("%s %s =\n", name, a ? gr_type_text(a, t) : "");
    gr_arena_destroy(a);
    print_axis(t, data, 0, 0);
    putchar('\n');
}
