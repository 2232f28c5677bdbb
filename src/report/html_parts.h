/* html_parts.h - the parts of a comparison's page, each in a file of its own. */
#ifndef GR_REPORT_HTML_PARTS_H
#define GR_REPORT_HTML_PARTS_H

#include "report/html.h"
#include "report/html_compare.h"

/* Who is best, and who cannot be told from it. The best is found by looking, so that any two models might have
 * been set against each other: intervals are those of all pairs at once (Bonferroni). */
typedef struct gr_answer {
    int *order; int ranked;  /* contenders with a number, best first; those with runs that diverged behind the others */
    gr_estimate *behind;     /* by place from 1: its number - the best one's, paired by seed */
    bool *told;              /* by place from 1: worse than the best beyond chance */
    int untold;              /* places from 1 that are not */
    bool tied;               /* the first two had the same with every seed: no one leads */
} gr_answer;

typedef struct gr_page {
    const gr_comparison *c;
    const gr_model_picture *picture;
    const struct gr_page *at; /* of a sweep, one for each value; NULL: it is none, or of one value */
    gr_answer answer;        /* of a sweep none: that of each value counts */
    int decimals;            /* of what is judged */
    gr_arena *arena;         /* of scratch memory */
    FILE *to;
} gr_page;

gr_answer gr_answer_of(gr_arena *a, const gr_comparison *c);
/* Of what is judged. */
const gr_estimate *gr_judged(const gr_comparison *c, int contender);
double gr_judged_of(const gr_comparison *c, const gr_trial *t);
/* The colour, dashes and marker of a contender. */
int gr_style_of(const gr_comparison *c, int contender);

/* "validation perplexity" */
const char *gr_metric_title(const gr_page *p, int metric);
/* The mean and, smaller, its interval: "5.21 5.10 to 5.32"; of a difference the mean always has a sign. */
void gr_page_estimate(const gr_page *p, const gr_estimate *e, int decimals, bool is_difference);
/* "5.10 to 5.32", or that all seeds gave the same. n is above 1. */
void gr_page_interval(const gr_page *p, const gr_estimate *e, int decimals);
/* The marker and the name of a contender. */
void gr_page_name(const gr_page *p, int contender);

void gr_page_answer(const gr_page *p);    /* html_answer.c: the sentence and the ranking */
void gr_page_warnings(const gr_page *p);  /* what weakens it */
int gr_missing_runs(const gr_comparison *c);
void gr_page_sweep_answer(const gr_page *p); /* html_sweep.c: the sentence of a sweep */
void gr_page_sweep(const gr_page *p);     /* charts and tables by its value, and all of each value */
void gr_page_gradient(const gr_page *p);  /* html_gradient.c: how far it reaches back */
/* A table of the values of a sweep by model; cell writes a <td> of a model of one value. */
void gr_page_value_table(const gr_page *p, const char *label, void (*cell)(const gr_page *at, int contender));
void gr_page_judged_cell(const gr_page *at, int contender);
/* "delay = 40" */
const char *gr_value_title(const gr_page *p, int value);
/* A chart's x and its ticks: the values of a sweep, by size where they are numbers, else one after another. */
typedef struct gr_value_axis {
    int *order;              /* the values, by x */
    double *x; const char **name; /* in that order */
    bool numbers, log;
} gr_value_axis;
gr_value_axis gr_axis_of_values(const gr_page *p);
/* A seed's number at a value; NaN: it has none. x is of the comparison at that value, c the whole. */
typedef double gr_by_value(const gr_comparison *c, const gr_contender *x, int seed);
/* For each model a line a seed along the axis. */
struct gr_chart_series *gr_series_by_value(const gr_page *p, const gr_value_axis *axis, gr_by_value *y);
void gr_page_table(const gr_page *p);     /* html_table.c: the models side by side */
void gr_page_runs(const gr_page *p);      /* every run of them */
void gr_page_curves(const gr_page *p);    /* html_curves.c */
void gr_page_attention(const gr_page *p); /* html_attention.c */
void gr_page_models(const gr_page *p);    /* html_models.c: pictures, learning rates, files */
void gr_page_settings(const gr_page *p);
#endif
