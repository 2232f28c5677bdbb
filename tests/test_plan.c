/* test_plan.c - what `graphrun plan` tells of a program agrees with the program. */
#include "report/plan.h"
#include "tests.h"
#include "train/machine.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

#define LSTM GR_SOURCE_DIR "/graphs/language_model/char_lstm.yaml"

typedef struct planned {
    gr_session *session;
    gr_program *program;
    gr_schedule *schedule;
    char *text;
} planned;

static planned plan_of(const char *model, const char *machine, int threads)
{
    planned p = {.session = open_model(model, 1)};
    const gr_want want = {.update = true, .training = true};
    gr_error e = {0};
    gr_arena *a = p.session->arena;
    size_t size;
    p.program = gr_program_create(a, gr_session_graph(p.session, &want, NULL), &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p.program);
    const gr_topology *t = gr_topology_get(a, machine, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    p.schedule = gr_schedule_create(a, p.program, t, threads, &e);
    const gr_schedule *by_cores[] = {p.schedule, NULL};
    const gr_plan plan = {.title = "a title", .program = p.program, .schedule = p.schedule, .topology = t, .by_cores = by_cores};
    FILE *to = open_memstream(&p.text, &size);
    gr_plan_print(&plan, to);
    fclose(to);
    return p;
}

static void end(planned *p)
{
    free(p->text);
    gr_session_close(p->session);
}

/* The number in front of which the line says `what`. */
static double figure(const char *text, const char *what)
{
    const char *at = strstr(text, what);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    return strtod(at + strlen(what), NULL);
}

static void memory_is_the_programs(void)
{
    planned p = plan_of(LSTM, "core:2", 2);
    const double mib = 1 << 20;
    CU_ASSERT_DOUBLE_EQUAL(figure(p.text, "\n  arena"), (double)p.program->arena_bytes / mib, 0.06);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.text, "numbers in "));
    double states = 0;
    for (int i = 0; i < p.program->graph->num_states; i++)
        if (p.program->graph->states[i]->trainable) states += 4.0 * (double)gr_numel(&p.program->graph->states[i]->value->type);
    char expected[64];
    snprintf(expected, sizeof expected, "%.0f numbers", states / 4);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.text, expected));
    end(&p);
}

static void work_is_all_there(void)
{
    planned p = plan_of(LSTM, "core:2", 1);
    double share = 0, flops = 0, all = 0;
    const char *kinds[] = {"\n  products", "\n  pointwise", "\n  other kernels", "\n  copies"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *at = strstr(p.text, kinds[i]);
        const char *percent = at ? strchr(at + 1, '%') : NULL;
        CU_ASSERT_PTR_NOT_NULL_FATAL(percent);
        while (percent[-1] != ' ') percent--;
        share += strtod(percent, NULL);
    }
    CU_ASSERT_DOUBLE_EQUAL(share, 100, 0.3);
    for (int i = 0; i < p.program->num_templates; i++) {
        const gr_template *t = &p.program->templates[i];
        double times = 1;
        for (int l = t->loop; l >= 0; l = p.program->loops[l].parent) times *= (double)p.program->loops[l].count;
        if (gr_template_flops(t) > 0) flops += times * gr_template_operations(t);
        all += times * gr_template_operations(t);
    }
    char expected[64];
    snprintf(expected, sizeof expected, "%.4g GFLOP", flops * 1e-9);
    const char *products = strstr(p.text, kinds[0]), *total = strstr(p.text, "\n  in all   ");
    total = total ? strstr(total + 1, "\n  in all   ") : NULL; /* the first is the memory's */
    CU_ASSERT(products && strstr(products, expected) && strstr(products, expected) < strstr(products, "\n  pointwise"));
    snprintf(expected, sizeof expected, "%.4g GFLOP", all * 1e-9);
    CU_ASSERT(total && strstr(total, expected));
    CU_ASSERT(all > flops && flops > 0);
    end(&p);
}

static void schedules_are_for_any_machine(void)
{
    planned one = plan_of(LSTM, "pack:1 core:8 pu:1", 1), eight = plan_of(LSTM, "pack:1 core:8 pu:1", 8);
    CU_ASSERT_PTR_NOT_NULL(strstr(one.text, "schedule: 1 thread of 8 cores"));
    CU_ASSERT_PTR_NOT_NULL(strstr(eight.text, "schedule: 8 threads of 8 cores"));
    CU_ASSERT_PTR_NOT_NULL(strstr(eight.text, "thread 7"));
    CU_ASSERT(eight.schedule->predicted < one.schedule->predicted);
    end(&one);
    end(&eight);
}

/* A group of loops says once, after the last of them, what it and the other ways take. */
static void every_group_says_why(void)
{
    planned p = plan_of(LSTM, "core:8", 8);
    int groups = 0, lines = 0;
    const gr_schedule *s = p.schedule;
    for (int i = 0; i < s->num_choices; i++)
        groups += i == 0 || memcmp(s->choices[i].ns, s->choices[i - 1].ns, sizeof s->choices[i].ns) != 0;
    for (const char *at = p.text; (at = strstr(at, " a step; with what follows")); at++) lines++;
    CU_ASSERT(groups > 0);
    CU_ASSERT_EQUAL(lines, groups);
    end(&p);
}

/* Where the schedule says how many threads there are, no half of the cores, quarter, ... with a program made for it
 * does better. */
static void threads_that_are_chosen_are_the_best(void)
{
    enum { CORES = 8 };
    gr_session *s = open_model(GR_SOURCE_DIR "/graphs/toy/copy_attention.yaml", 0);
    const gr_want want = {.update = true, .training = true, .assume_axes = true};
    gr_error e = {0};
    gr_graph *g = gr_session_graph(s, &want, NULL);
    gr_topology *t = gr_topology_get(s->arena, "core:8", &e);
    CU_ASSERT_FATAL(g && t);
    gr_program *whole = gr_program_create_for(s->arena, g, CORES, &e), *p = whole;
    gr_schedule *made;
    CU_ASSERT_FATAL(p && gr_session_weigh(s, p, t, &e) == 0);
    CU_ASSERT_EQUAL_FATAL(gr_session_schedule(s, t, CORES, &p, &made, &e), 0);
    CU_ASSERT(p != whole && made->threads < CORES); /* or this shows nothing */
    for (int n = CORES; n > 0; n /= 2) {
        gr_program *other = gr_program_create_for(s->arena, g, n, &e);
        CU_ASSERT_FATAL(other && gr_session_weigh(s, other, t, &e) == 0);
        CU_ASSERT(made->predicted <= gr_schedule_create(s->arena, other, t, n, &e)->predicted);
    }
    gr_session_close(s);
}

static void a_wrong_machine_is_refused(void)
{
    gr_error e = {0};
    gr_arena *a = gr_arena_create();
    CU_ASSERT_PTR_NULL(gr_topology_get(a, "twelve cores", &e));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "'twelve cores' is no topology; write for example"));
    CU_ASSERT_PTR_NULL(gr_topology_get(a, temp_file("machine.xml", "<topology"), &e));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "machine.xml' is no topology"));
    gr_arena_destroy(a);
}

void test_plan(void)
{
    CU_pSuite s = CU_add_suite("plan", NULL, NULL);
    CU_add_test(s, "memory is the program's", memory_is_the_programs);
    CU_add_test(s, "work is all there", work_is_all_there);
    CU_add_test(s, "schedules are for any machine", schedules_are_for_any_machine);
    CU_add_test(s, "every group says why", every_group_says_why);
    CU_add_test(s, "threads that are chosen are the best", threads_that_are_chosen_are_the_best);
    CU_add_test(s, "a wrong machine is refused", a_wrong_machine_is_refused);
}
