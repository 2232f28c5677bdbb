/* test_data_models.c - models of data sources through the command: without their files, and with
 * what the weights know of them. */
#include "data_support.h"
#include "tests.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What `graphrun ARGUMENTS` prints, both outputs; its exit status. */
static int command(const char *arguments, char *out, size_t room)
{
    char line[2048];
    snprintf(line, sizeof line, "'%s/tools/graphrun' %s 2>&1", GR_BUILD_DIR, arguments);
    FILE *f = popen(line, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    size_t n = fread(out, 1, room - 1, f);
    out[n] = 0;
    return pclose(f);
}

/* Each names files that are not there unless --set says where, and gives the sizes of its data. */
static void checked_without_files(void)
{
    static const char *const models[] = {"classify/mnist_rows", "classify/digits", "classify/japanese_vowels_bilstm",
                                         "classify/japanese_vowels_bigru", "tag/atis_bilstm", "series/air_passengers_lstm",
                                         "series/air_passengers_many"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char arguments[1024], out[4096];
        snprintf(arguments, sizeof arguments, "check '%s/graphs/%s.yaml'", GR_SOURCE_DIR, models[i]);
        int status = command(arguments, out, sizeof out);
        if (status || *out) fprintf(stderr, "%s: %s\n", models[i], out);
        CU_ASSERT_EQUAL(status, 0);
        CU_ASSERT_STRING_EQUAL(out, "");
    }
}

/* Trained on one file, evaluated on another, whose numbers and classes are those of the weights. */
static void weights_know_the_data(void)
{
    static const char model[] = "graphrun: 1\nvars: {table: none, batch: 2}\n"
        "data: {op: Csv, path: $table, label: kind, standardize: zscore}\n"
        "graph:\n  x: {op: Input, shape: [batch, 2], from: data.features}\n"
        "  kind: {op: Input, shape: [batch], dtype: int32, from: data.labels}\n"
        "  logits: {op: Linear, in: x, out_features: $data.classes}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: kind}}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 1}, epochs: 20}\nmetrics: [accuracy]\n";
    static const char train[] = "a,b,kind\n100,5,rose\n200,5,lily\n300,6,aster\n110,5,rose\n210,5,lily\n310,6,aster\n";
    static const char other[] = "a,b,kind\n305,6,aster\n205,5,lily\n";
    const char *yaml = write_file("flowers.yaml", model, strlen(model)), *first = write_file("train.csv", train, strlen(train));
    const char *second = write_file("other.csv", other, strlen(other)), *weights = write_file("flowers.safetensors", "", 0);
    char arguments[1024], out[8192];
    snprintf(arguments, sizeof arguments, "train %s --set table=%s --save %s --quiet", yaml, first, weights);
    CU_ASSERT_EQUAL(command(arguments, out, sizeof out), 0);
    snprintf(arguments, sizeof arguments, "eval %s --set table=%s --weights %s", yaml, second, weights);
    CU_ASSERT_EQUAL(command(arguments, out, sizeof out), 0);
    /* By itself the second file would have two classes and other means. */
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "accuracy        1.0000"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\nlily "));
    if (!strstr(out, "\nlily ")) fprintf(stderr, "%s\n", out);
    snprintf(arguments, sizeof arguments, "check %s --set table=/no/such.csv", yaml);
    CU_ASSERT_NOT_EQUAL(command(arguments, out, sizeof out), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "/no/such.csv: No such file"));
    snprintf(arguments, sizeof arguments, "dot %s --set table=/no/such.csv --set data.features=2 --set data.classes=3", yaml);
    CU_ASSERT_EQUAL(command(arguments, out, sizeof out), 0);
    unlink(yaml);
    unlink(first);
    unlink(second);
    unlink(weights);
}

void test_data_models(void)
{
    CU_pSuite s = CU_add_suite("data_models", NULL, NULL);
    CU_add_test(s, "models are checked without their files", checked_without_files);
    CU_add_test(s, "weights know classes and means", weights_know_the_data);
}
