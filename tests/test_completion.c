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
    check_offer("dot hello.yaml --format = sv", "svg", "png");
    check_offer("run hello.yaml --input x = hello.s", "hello.svg", "hello.yaml");
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

/* ---- every option of every command ---- */

/* A line to be completed, and words of which all are to be offered; none: nothing is. */
typedef struct wish { char line[128], words[512]; } wish;
enum { MOST_WISHES = 300 };
typedef struct wishes { wish item[MOST_WISHES]; int count; } wishes;

static wish *new_wish(wishes *w, const char *command)
{
    CU_ASSERT_FATAL(w->count < MOST_WISHES);
    snprintf(w->item[w->count].line, sizeof w->item->line, "graphrun %s%s", command, *command ? " " : "");
    return &w->item[w->count++];
}

/* What follows an option in the folder of some_files(), by what its help calls it. */
static const char *expected(const char *value)
{
    static const struct { const char *value, *words; } known[] = {
        {"FILE.so", "mine.so"}, {"FILE.yaml", "model.yaml"}, {"FILE", "notes.txt"}, {"FOLDER", "folder"}, {"PASS", "hoist fuse"},
        {"SPLIT", "train valid test"}, {"METRIC", "loss perplexity"}, {"VAR", "hidden batch"}, {"VAR=A,B,...", "hidden batch"},
        {"KEY=VALUE", "hidden batch"}, {"VALUE", "x logits"}, {"VALUE[=FILE.npy]", "x logits"}, {"NAME=FILE.npy", "x logits"},
        {"NAME[=FILE.npy]", "x logits"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(value, known[i].value) == 0) return known[i].words;
    return strchr(value, '|') ? value : "";
}

/* "  -o, --output FILE   ..." of a command's help. */
static void wish_for_option(wishes *w, const char *command, const char *help, wish *all)
{
    char name[64], value[64] = "", letter = 0;
    const char *at = help + strspn(help, " ");
    if (sscanf(at, "-%c, ", &letter) == 1 && letter != '-') at += 4;
    if (sscanf(at, "--%63[a-z-] %63[^ ]", name, value) < 1) return;
    if (at[2 + strlen(name)] != ' ' || at[3 + strlen(name)] == ' ' || strcmp(name, "help") == 0) *value = 0;
    strncat(all->words, "--", sizeof all->words - strlen(all->words) - 1);
    strncat(all->words, name, sizeof all->words - strlen(all->words) - 1);
    strncat(all->words, " ", sizeof all->words - strlen(all->words) - 1);
    if (!*value) return;
    for (int k = 0; k < (letter && letter != '-' ? 2 : 1); k++) {
        wish *one = new_wish(w, command);
        size_t n = strlen(one->line);
        if (k) snprintf(one->line + n, sizeof one->line - n, "model.yaml -%c ", letter);
        else snprintf(one->line + n, sizeof one->line - n, "model.yaml --%s ", name);
        snprintf(one->words, sizeof one->words, "%s", expected(value));
        for (char *c = one->words; *c; c++)
            if (*c == '|') *c = ' ';
    }
}

static void wish_for_command(wishes *w, const char *command)
{
    char *help = output_of("%s %s --help", BUILT, command), *rest = NULL;
    wish *all = new_wish(w, command);
    strcat(all->line, "--");
    for (char *line = strtok_r(help, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strncmp(line, "  ", 2) == 0 && strstr(line, "--") && line[2 + strspn(line + 2, " ")] == '-') wish_for_option(w, command, line, all);
    free(help);
}

static void some_files(const char *folder)
{
    CU_ASSERT_EQUAL(shell("mkdir -p '%s/folder' && cd '%s' && touch mine.so notes.txt", folder, folder), 0);
    char path[320];
    snprintf(path, sizeof path, "%s/model.yaml", folder);
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs("graphrun: 1\nvars: {hidden: 8, batch: 2}  # sizes\ngraph:\n  x: {op: Ones, shape: [2, 3]}\n  # what comes out\n"
          "  logits:\n    op: Linear\n    in: x\n", f);
    fclose(f);
}

/* Whether " a b= " has a word, with a = behind it or not. */
static bool has_offer(const char *list, const char *word, size_t n)
{
    for (const char *at = list; (at = strstr(at, word)); at++)
        if ((at == list || at[-1] == ' ') && strchr(" =", at[n])) return true;
    return false;
}

static void check_wish(const char *shell_name, const wish *w, const char *answer)
{
    bool good = *w->words || !answer[strspn(answer, " ")];
    char word[64];
    for (const char *at = w->words; sscanf(at, " %63s", word) == 1; at = strstr(at, word) + strlen(word)) good = good && has_offer(answer, word, strlen(word));
    CU_ASSERT(good);
    if (!good) printf("%s, '%s': not [%s] but [%s]\n", shell_name, w->line, w->words, answer);
}

/* `command` reads lines and answers each: the line, a tab, and words. */
static void check_wishes(const char *shell_name, const wishes *w, const char *folder, const char *command)
{
    FILE *f = fopen(temp_path("lines"), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    for (int i = 0; i < w->count; i++) fprintf(f, "%s\n", w->item[i].line);
    fclose(f);
    char *text = output_of("cd '%s' && %s < '%s' | tr -d '\\r'", folder, command, temp_path("lines")), *rest = NULL;
    int answered = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const char *tab = strchr(line, '\t');
        for (int i = 0; tab && i < w->count; i++)
            if (strlen(w->item[i].line) == (size_t)(tab - line) && strncmp(w->item[i].line, line, (size_t)(tab - line)) == 0) {
                check_wish(shell_name, &w->item[i], tab + 1);
                answered++;
                break;
            }
    }
    CU_ASSERT_EQUAL(answered, w->count);
    free(text);
}

static void add_wish(wishes *w, const char *line, const char *words)
{
    wish *one = new_wish(w, "");
    snprintf(one->line, sizeof one->line, "graphrun %s", line);
    snprintf(one->words, sizeof one->words, "%s", words);
}

static void shells_complete_every_option(void)
{
    wishes *w = calloc(1, sizeof *w);
    char *help = output_of("%s --help", BUILT), name[32], *rest = NULL, command[1024], folder[300];
    snprintf(folder, sizeof folder, "%s", temp_path("completed"));
    some_files(folder);
    for (char *line = strtok_r(help, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (sscanf(line, " graphrun %31[a-z-]", name) == 1) wish_for_command(w, name);
    free(help);
    CU_ASSERT(w->count > 100);
    add_wish(w, "check ", "model.yaml");
    add_wish(w, "test-plugin ", "mine.so");
    add_wish(w, "ops LSTMC", "LSTMCell");
    add_wish(w, "completion ", "bash zsh");
    add_wish(w, "bench model.yaml --weights-dtype b", "bfloat16");
    const char *script = temp_path("_graphrun");
    snprintf(command, sizeof command, "bash '%s/tests/complete.bash' '%s'", GR_SOURCE_DIR, script);
    if (has("bash")) {
        free(output_of("%s completion bash >'%s'", BUILT, script));
        check_wishes("bash", w, folder, command);
    }
    add_wish(w, "dot model.yaml --format=sv", "svg"); /* bash cuts words at =, zsh does not */
    add_wish(w, "run model.yaml --input x=no", "notes.txt");
    snprintf(command, sizeof command, "zsh -f '%s/tests/complete.zsh' '%.*s'", GR_SOURCE_DIR, (int)(strrchr(script, '/') - script), script);
    if (has("zsh")) {
        free(output_of("%s completion zsh >'%s'", BUILT, script));
        check_wishes("zsh", w, folder, command);
    }
    free(w);
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
    CU_add_test(s, "every option of every command, in both shells", shells_complete_every_option);
    CU_add_test(s, "the man page has every command and option", manual_has_all_options);
    CU_add_test(s, "groff reads it without a warning", groff_has_no_complaint);
}
