/* dot_picture.h - what a picture is made of, before it is written as dot or as Mermaid.
 *
 * Boxes stand in groups, which nest; arrows go from box to box. Text is as it is called in the
 * model, in any characters: whoever writes a picture escapes it. */
#ifndef GR_REPORT_DOT_PICTURE_H
#define GR_REPORT_DOT_PICTURE_H

#include "graph/graph.h"

typedef enum gr_pic_look {
    GR_LOOK_OP,
    GR_LOOK_PART,     /* stands for several nodes */
    GR_LOOK_INPUT,
    GR_LOOK_STATE,    /* a parameter, a moment */
    GR_LOOK_CONSTANT,
    GR_LOOK_SLICE,    /* what a loop hands to a step */
    GR_LOOK_CARRY,
    GR_LOOK_VIEW,     /* moves no data */
    GR_LOOK_FUSED,    /* a tape, alone or behind a product */
    GR_LOOK_TASKS,    /* of a schedule: shared out among threads */
    GR_LOOK_HEADING,  /* of a row or column of the grid */
    GR_LOOK_NAMES,    /* of the tasks of a row's boxes, which have none themselves */
    GR_NUM_LOOKS
} gr_pic_look;

typedef enum gr_pic_flow {
    GR_FLOW_DATA,
    GR_FLOW_NEXT,     /* to the carry or state that the next step reads */
    GR_FLOW_KEPT,     /* from one phase to another */
    GR_FLOW_ORDER,    /* says which box stands higher; not drawn */
} gr_pic_flow;

#define GR_TASK_WIDTH 122 /* points that a task of the grid needs; where there is room for all, they stand in a row */
typedef struct gr_pic_task { const char *name; int count; int *share; int num_shares; } gr_pic_task; /* the threads that share it */

typedef struct gr_pic_group gr_pic_group;
typedef struct gr_pic_box {
    int id;
    gr_pic_look look;
    gr_phase phase;
    const char *name, *op, *path; /* "" where there is none; path: of the nodes that it stands for */
    const char **line; int num_lines, cap_lines;
    bool result;
    gr_pic_group *group;
    struct gr_pic_box *beside;    /* stands side by side with this one, which came first; NULL: none */
    bool paired;                  /* it has such a one, or is it */
    gr_pic_task *task; int num_tasks, cap_tasks;
    bool brief;                   /* of the grid: threads without the tasks' names */
    int column, span;             /*   from 0 */
    double x, y, width, height;   /*   and in points from its top left corner */
} gr_pic_box;

struct gr_pic_group {
    gr_pic_group *parent, *first, *last, *next;
    int id;
    const char *name, *note;
    gr_phase phase;
    bool loop;                    /* what is in it runs once a step */
    bool aside;                   /* what hoisting took out of the loop beside it */
    gr_pic_box **box; int num_boxes, cap_boxes;
};

typedef struct gr_pic_arrow {
    gr_pic_box *from, *to;
    gr_phase phase;
    gr_pic_flow flow;
    const char **label; int num_labels, cap_labels;
} gr_pic_arrow;

typedef struct gr_picture {
    gr_arena *arena;
    const char *title, *note, *lengths; /* of axes: "time 35, batch 32" */
    gr_pic_group top;
    int num_boxes, num_groups;
    gr_pic_arrow **arrow; int num_arrows, cap_arrows;
    int threads;                  /* of the grid; 0: it is none */
    int64_t columns;              /* that the grid would have if it showed all steps, and those that it has; one */
    int shown;                    /*   more stands for the rest */
    int effort;                   /* 0: the best layout; 1, 2: ever simpler ones, for where Graphviz fails */
    struct gr_map *arrows;        /* those there are */
} gr_picture;

gr_picture *gr_pic_create(gr_arena *a, const char *title);
gr_pic_group *gr_pic_add_group(gr_picture *p, gr_pic_group *in, const char *name, gr_phase phase);
gr_pic_box *gr_pic_add_box(gr_picture *p, gr_pic_group *in, gr_pic_look look, gr_phase phase, const char *name, const char *op);
void gr_pic_add_line(gr_picture *p, gr_pic_box *b, const char *text);
/* One arrow for all values that go the same way; a label is not repeated. */
void gr_pic_add_arrow(gr_picture *p, gr_pic_box *from, gr_pic_box *to, gr_phase phase, gr_pic_flow flow, const char *label);
bool gr_pic_has_arrow(const gr_picture *p, const gr_pic_box *from, const gr_pic_box *to, gr_phase phase, gr_pic_flow flow);
void gr_pic_put_beside(gr_pic_box *b, gr_pic_box *other);
bool gr_pic_has_phase(const gr_picture *p, gr_phase phase);
/* How many groups the group stands in, and the innermost one that both boxes stand in. */
int gr_pic_depth(const gr_pic_group *g);
const gr_pic_group *gr_pic_common_group(const gr_pic_box *a, const gr_pic_box *b);
/* The labels of an arrow as a picture has room for: at most two of them. */
const char *gr_pic_label(gr_arena *a, const gr_pic_arrow *x, const char *between);

/* The steps that a column of the grid stands for: "3", "4 to 999". */
const char *gr_pic_steps(const gr_picture *p, int column);
/* The threads that share the task: "0-3, 7". */
const char *gr_pic_threads(gr_arena *a, const gr_pic_task *t);

/* ---- text ---- */

/* The text with what would be mistaken for syntax written otherwise: all that `escape` gives a
 * form for; `before` is 0 for the first character, `after` for the last one, else the next byte. Bytes that are no UTF-8 and control characters become U+FFFD and spaces. */
char *gr_pic_escape(gr_arena *a, const char *text, const char *(*escape)(uint32_t c, uint32_t before, unsigned char after));
/* "hidden_size=5, num_layers=2": what the model's author gave. */
const char *gr_pic_attrs(gr_arena *a, const gr_op *op, const gr_attr *attr);
/* The text, or its beginning and ".." where it is wider than `width` letters. */
const char *gr_pic_cut(gr_arena *a, const char *text, int width);
/* Broken before it is wider than `width` characters, behind commas and underscores. */
const char *gr_pic_wrap(gr_arena *a, const char *text, int width);
/* A name on as many lines as it needs; " " for none. */
const char *gr_pic_name(gr_arena *a, const char *name);
/* 1234567 as "1,234,567". */
const char *gr_pic_number(gr_arena *a, int64_t n);
#endif
