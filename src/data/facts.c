/* facts.c - counts and other numbers that sources know. */
#include "data/facts.h"

#include <unistd.h>

void gr_data_add_numbers(gr_data *d, const char *name, int n, const double *x)
{
    *GR_PUSH(d->arena, d->numbers, d->num_numbers, d->cap_numbers) = (gr_numbers){name, n, x};
}

int gr_data_count(gr_data *d, const char *name, int64_t n)
{
    const gr_attr *given = gr_data_find_attr(d, name);
    double *kept = GR_NEW(d->arena, double);
    if (given && given->present && given->i != n) {
        gr_diag_error(d->diag, gr_data_attr_at(d, name), "'%s' is %lld here, but %lld of the data", name,
                      (long long)given->i, (long long)n);
        return -1;
    }
    *kept = (double)n;
    gr_data_add_numbers(d, name, 1, kept);
    gr_data_tell(d, name, n);
    return 0;
}

bool gr_data_known_count(gr_data *d, const char *name)
{
    int n = 0;
    const gr_attr *given = gr_data_find_attr(d, name);
    const double *kept = gr_numbers_of_weights(d, name, &n);
    if (n == 1) gr_data_tell(d, name, (int64_t)*kept);
    else if (given && given->present) gr_data_tell(d, name, given->i);
    else return false;
    return true;
}

bool gr_data_absent(const gr_data *d, const gr_part *parts, int n)
{
    for (int i = 0; d->options.facts_only && i < n; i++)
        if (access(parts[i].path, R_OK) != 0) return true;
    return false;
}
