/* test_completion.c - completion and the man page, which are written from the tables of options: asked as a
 * shell asks. What is not installed (zsh, groff) is skipped, saying so. */
#include "cli_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

#define BUILT GR_BUILD_DIR "/tools/graphrun" /* without quotes, which stand around it */

static bool has(const char *program)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    bool there = system(command) == 0;
    if (!there) printf("skipped: %s is not installed\n", program);
    return there;
}

/* What a shell command prints, to be freed; it must end well. */
GR_PRINTF(1, 2) static char *output_of(const char *fmt, ...)
{
    char command[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    CU_ASSERT_EQUAL(shell("%s", command), 0);
    return strdup(said);
}

/* ---- bash ---- */

/* The words that are offered behind "graphrun " line, one a line: " --save\n --seed\n". */
static char *offered(const char *line)
{
    return output_of("cd '%s/graphs' && bash -c '. <(%s completion bash); COMP_WORDS=(graphrun %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
                     "_graphrun; printf \" %%s\\n\" \"${COMPREPLY[@]}\"'", GR_SOURCE_DIR, BUILT, line);
}

static void check_offer(const char *line, const char *word, const char *not)
{
    char *text = offered(line), want[64], unwanted[64];
    snprintf(want, sizeof want, " %s\n", word);
    snprintf(unwanted, sizeof unwanted, " %s\n", not);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, want));
    CU_ASSERT_PTR_NULL(strstr(text, unwanted));
    if (!strstr(text, want) || strstr(text, unwanted)) printf("graphrun %s:\n%s", line, text);
    free(text);
}

static void bash_completes(void)
{
    if (!has("bash")) return;
    check_offer("tr", "train", "eval");
    check_offer("h", "hello.yaml", "train");
    check_offer("train --s", "--save", "--log");
    check_offer("train --s", "--set", "--log");
    check_offer("run --", "--fetch", "--save");
    check_offer("hello.yaml --", "--epochs", "--fetch");
    check_offer("train hello", "hello.yaml", "hello.svg");
    check_offer("ops LST", "LSTM", "GRU");
    check_offer("ops LST", "LSTMCell", "TakeGradient");
    check_offer("dot hello.yaml --after h", "hoist", "fuse");
    check_offer("train hello.yaml --dtype float", "float32", "hello.yaml");
    check_offer("train hello.yaml --save hello", "hello.svg", "--save");
    check_offer("train language_model/char_lstm.yaml --set h", "hidden=", "batch=");
    check_offer("train attention/dot_attention.yaml --set \"\"", "hidden=", "data=");
    check_offer("compare hello.yaml hello_r", "hello_rnn.yaml", "hello.svg");
    check_offer("compare language_model/char_lstm.yaml --sweep h", "hidden=", "batch=");
    check_offer("compare hello.yaml --", "--sweep", "--fetch");
    check_offer("bench hello.yaml --what t", "train", "infer");
    check_offer("completion \"\"", "zsh", "hello.yaml");
}

/* ---- zsh ---- */

static void zsh_reads_its_script(void)
{
    if (!has("zsh")) return;
    const char *script = temp_path("_graphrun");
    free(output_of("%s completion zsh >'%s'", BUILT, script));
    free(output_of("zsh -n '%s'", script));
    char *text = output_of("zsh -fc 'autoload -U compinit; compinit -u -D; fpath=(%.*s $fpath); autoload -U _graphrun; compdef _graphrun graphrun; "
                           "print -r -- $_comps[graphrun]'", (int)(strrchr(script, '/') - script), script);
    CU_ASSERT_STRING_EQUAL(text, "_graphrun\n");
    free(text);
}

/* ---- the man page ---- */

/* Every command that graphrun --help lists has its place, and every option of it. */
static void manual_has_all_options(void)
{
    char *page = output_of("%s manual", BUILT), *help = output_of("%s --help", BUILT), name[32];
    int n = 0;
    for (char *line = strtok(help, "\n"); line; line = strtok(NULL, "\n")) {
        char want[64];
        if (sscanf(line, " graphrun %31[a-z-]", name) != 1) continue;
        snprintf(want, sizeof want, ".SS \"%s", name);
        for (char *dash = strchr(want, '-'); dash; dash = strchr(dash + 2, '-')) memmove(dash + 1, dash, strlen(dash) + 1), *dash = '\\';
        CU_ASSERT_PTR_NOT_NULL(strstr(page, want));
        if (!strstr(page, want)) printf("the manual has no %s\n", name);
        n++;
    }
    CU_ASSERT(n > 12);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "\\-\\-resume\\fR \\fIFILE"));
    free(page);
    free(help);
}

static void groff_has_no_complaint(void)
{
    if (!has("groff")) return;
    char *warned = output_of("%s manual | groff -Tutf8 -ww -man >/dev/null", BUILT);
    CU_ASSERT_STRING_EQUAL(warned, "");
    free(warned);
    char *page = output_of("%s manual | groff -Tascii -P-cbou -man", BUILT);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "--weights FILE\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "  graphrun: 1\n"));
    free(page);
}

void test_completion(void)
{
    CU_pSuite s = CU_add_suite("completion", NULL, NULL);
    CU_add_test(s, "bash completes commands, options, ops, passes, models, vars", bash_completes);
    CU_add_test(s, "zsh reads its script", zsh_reads_its_script);
    CU_add_test(s, "the man page has every command and option", manual_has_all_options);
    CU_add_test(s, "groff reads it without a warning", groff_has_no_complaint);
}
