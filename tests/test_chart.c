/* test_chart.c - line charts: what has room on their axes. */
#include "report/chart.h"
#include "tests.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many of three settings have their names under the axis. */
static int names_shown(const char *const name[3])
{
    double x[] = {0, 1, 2}, y[] = {3, 2, 1};
    gr_chart_series s = {.name = "rnn", .runs = &(gr_chart_line){x, y, 3}, .num_runs = 1};
    const gr_chart c = {.title = "t", .about = "a", .x_label = "x", .y_label = "y", .series = &s, .num_series = 1, .tick = x, .tick_name = name, .num_ticks = 3, .level = 0.95};
    gr_arena *a = gr_arena_create();
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    gr_chart_write(a, &c, f);
    fclose(f);
    int n = 0;
    for (int i = 0; i < 3; i++) n += strstr(text, name[i]) != NULL;
    free(text);
    gr_arena_destroy(a);
    return n;
}

/* 15 letters have room, whatever they take in memory; characters as wide as two of them have it not. */
static void names_take_the_room_of_their_letters(void)
{
#define FIVE(c) c c c c c
    CU_ASSERT_EQUAL(names_shown((const char *const[]){"a" FIVE("bb") FIVE("c"), "c" FIVE("bb") FIVE("a"), "d" FIVE("bb") FIVE("e")}), 3);
    CU_ASSERT_EQUAL(names_shown((const char *const[]){FIVE("\xc3\xa4\xc3\xb6\xc3\xbc"), FIVE("\xc3\xb6\xc3\xa4\xc3\xbc"), FIVE("\xc3\xbc\xc3\xa4\xc3\xb6")}), 3);
    CU_ASSERT_EQUAL(names_shown((const char *const[]){FIVE("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"), FIVE("\xe6\x9c\xac\xe6\x97\xa5\xe8\xaa\x9e"), FIVE("\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac")}), 2);
#undef FIVE
}

void test_chart(void)
{
    CU_pSuite s = CU_add_suite("chart", NULL, NULL);
    CU_add_test(s, "names under the axis take the room of their letters", names_take_the_room_of_their_letters);
}
