/* groups.c - parameters by pattern. A tied parameter goes by each of its names. */
#include "train/groups.h"

#include <fnmatch.h>

static bool fits(const char *pattern, const gr_state *s)
{
    if (fnmatch(pattern, s->name, 0) == 0) return true;
    for (int i = 0; i < s->num_aliases; i++)
        if (fnmatch(pattern, s->alias[i], 0) == 0) return true;
    return false;
}

static bool group_fits(const gr_group_spec *g, const gr_state *s)
{
    for (int i = 0; i < g->num_params; i++)
        if (fits(g->params[i], s)) return true;
    return g->num_params == 0;
}

int gr_group_of(const gr_recipe *r, const gr_state *s)
{
    int i = 0;
    while (i < r->num_groups - 1 && !group_fits(&r->groups[i], s)) i++;
    return i;
}

static const char *some_names(const gr_graph *root)
{
    enum { SOME = 20 };
    const char *list = "";
    int n = 0;
    for (int i = 0; i < root->num_states; i++) {
        if (!root->states[i]->trainable) continue;
        if (n == SOME) return gr_arena_printf(root->arena, "%s, ...", list);
        list = gr_arena_printf(root->arena, "%s%s%s", list, n++ ? ", " : "", root->states[i]->name);
    }
    return list;
}

static int check_pattern(const gr_recipe *r, const gr_graph *root, int group, int pattern)
{
    const gr_group_spec *g = &r->groups[group];
    const char *text = g->params[pattern];
    int taken = -1;
    for (int i = 0; i < root->num_states; i++) {
        const gr_state *s = root->states[i];
        if (!s->trainable || !fits(text, s)) continue;
        taken = gr_group_of(r, s);
        if (taken == group) return 0;
    }
    if (taken >= 0)
        gr_diag_error(root->diag, g->params_at[pattern], "all parameters that '%s' fits are in a group before it: the first "
                      "that fits counts", text);
    else
        gr_diag_error(root->diag, g->params_at[pattern], "'%s' fits no parameter; there are: %s", text, some_names(root));
    return -1;
}

int gr_groups_check(const gr_recipe *r, const gr_graph *root)
{
    int status = 0;
    for (int g = 0; g < r->num_groups; g++)
        for (int i = 0; i < r->groups[g].num_params; i++)
            if (check_pattern(r, root, g, i)) status = -1;
    return status;
}

int gr_groups_freeze(const gr_recipe *r, gr_graph *root)
{
    int frozen = 0, trained = 0;
    for (int i = 0; i < root->num_states; i++) {
        gr_state *s = root->states[i];
        if (!s->trainable) continue;
        bool is_frozen = r->num_groups && r->groups[gr_group_of(r, s)].frozen;
        if (is_frozen) s->trainable = false;
        frozen += is_frozen;
        trained += !is_frozen;
    }
    if (trained || !frozen) return 0;
    gr_diag_error(root->diag, r->optimizer.at, "every parameter is frozen: nothing is left to train");
    return -1;
}
