/* cut.c - which axis is cut, and the pieces. */
#include "train/cut.h"
#include "train/update.h"

#include <string.h>

/* ---- the axis ---- */

static bool has_lengths(const gr_graph *root)
{
    for (int i = 0; i < root->num_nodes; i++)
        if (root->nodes[i]->op->role == GR_ROLE_LENGTH_MASK) return true;
    return false;
}

/* The name of the axis that a loop runs over; NULL: its sequences do not say. */
static const char *loop_axis(const gr_node *loop)
{
    const gr_scan *s = loop->scan;
    for (int i = 0; i < s->sequences; i++) {
        const gr_type *t = &loop->in[s->carries + i]->type;
        if (t->rank && t->axis[0]) return t->axis[0];
    }
    return NULL;
}

static const char *mistake(const gr_graph *root, const gr_recipe *r, const char *text)
{
    gr_diag_error(root->diag, r->bptt_at, "%s", text);
    return NULL;
}

const char *gr_cut_axis(const gr_graph *root, const gr_recipe *r)
{
    const char *axis = NULL;
    int loops = 0;
    for (int i = 0; i < root->num_nodes; i++) {
        const gr_node *n = root->nodes[i];
        if (!n->scan || (r->num_carries && gr_carry_number(r, n) < 0)) continue;
        const char *over = loop_axis(n);
        loops++;
        if (!over)
            return mistake(root, r, gr_arena_printf(root->arena, "the axis that '%s' runs over has no name; give it one in the "
                                                    "shape of the Input, as in shape: [time, batch]", n->name));
        if (axis && strcmp(axis, over) != 0)
            return mistake(root, r, gr_arena_printf(root->arena, "loops run over '%s' and over '%s': name in `carry` those "
                                                    "whose batches are cut", axis, over));
        axis = over;
    }
    if (!loops) return mistake(root, r, "there is no loop over time to cut");
    if (has_lengths(root)) return mistake(root, r, "rows that have lengths cannot be cut: leave out `bptt` or the lengths");
    return axis;
}

/* ---- pieces ---- */

/* Which axis of the field of Input i is cut; -1: none. */
static int cut_axis_of(const gr_session *s, int i)
{
    for (int k = 0; s->cut && k < s->inputs[i].rank; k++)
        if (s->inputs[i].axis[k] && strcmp(s->inputs[i].axis[k], s->cut) == 0) return k;
    return -1;
}

/* The field that Input i is fed from; -1: none. */
static int field_of(const gr_session *s, int i)
{
    const gr_field *list;
    int n = s->data && s->inputs[i].from ? gr_data_fields(s->data, &list) : 0;
    for (int f = 0; f < n; f++)
        if (strcmp(list[f].name, s->inputs[i].from) == 0) return f;
    return -1;
}

static int64_t pieces_of(const gr_session *s, int64_t length)
{
    int64_t steps = s->recipe->bptt;
    return length > steps ? (length + steps - 1) / steps : 1;
}

int64_t gr_cut_pieces(const gr_session *s, const gr_tensor *field)
{
    for (int i = 0; field && i < s->num_inputs; i++) {
        int k = cut_axis_of(s, i), f = k < 0 ? -1 : field_of(s, i);
        if (f >= 0) return pieces_of(s, field[f].dim[k]);
    }
    return 1;
}

int64_t gr_cut_full_pieces(const gr_session *s)
{
    const gr_field *list;
    for (int i = 0; i < s->num_inputs; i++) {
        int k = cut_axis_of(s, i), f = k < 0 ? -1 : field_of(s, i);
        if (f >= 0 && gr_data_fields(s->data, &list) > f) return pieces_of(s, list[f].type.dim[k]);
    }
    return 1;
}

const gr_tensor *gr_cut_piece(const gr_session *s, const gr_tensor *field, int64_t i, gr_tensor *piece)
{
    const gr_field *list;
    if (!field || !s->cut) return field;
    memcpy(piece, field, (size_t)gr_data_fields(s->data, &list) * sizeof *piece);
    for (int in = 0; in < s->num_inputs; in++) {
        int k = cut_axis_of(s, in), f = k < 0 ? -1 : field_of(s, in);
        if (f < 0) continue;
        int64_t first = i * s->recipe->bptt, left = field[f].dim[k] - first;
        piece[f].dim[k] = left < s->recipe->bptt ? left : s->recipe->bptt;
        piece[f].data = (char *)field[f].data + (size_t)(first * field[f].stride[k]) * gr_dtype_size(field[f].dtype);
    }
    return piece;
}
