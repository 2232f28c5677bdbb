/* test_init.c - starter models: each kind of data is recognised, its model is checked and learns; odd files
 * are told what is wrong with them. */
#include "io/npy.h"
#include "cli_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

/* ---- data ---- */

static uint32_t drawn = 1;
static double draw(void) /* [0, 1) */
{
    drawn = drawn * 1664525u + 1013904223u;
    return (double)(drawn >> 8) / (1 << 24);
}

static const char *write_array(const char *name, gr_dtype dtype, int rank, const int64_t *dim, double (*at)(int64_t i))
{
    int64_t n = 1;
    gr_tensor t = {.dtype = dtype, .rank = rank};
    for (int k = rank - 1; k >= 0; k--) t.dim[k] = dim[k], t.stride[k] = n, n *= dim[k];
    const char *path = temp_path(name);
    float *f = calloc((size_t)n, sizeof *f);
    double *d = calloc((size_t)n, sizeof *d);
    int32_t *w = calloc((size_t)n, sizeof *w);
    if (!f || !d || !w) abort();
    for (int64_t i = 0; i < n; i++) d[i] = at(i), f[i] = (float)d[i], w[i] = (int32_t)d[i];
    t.data = dtype == GR_FLOAT32 ? (void *)f : dtype == GR_FLOAT64 ? (void *)d : (void *)w;
    gr_error e;
    CU_ASSERT_EQUAL(gr_npy_write(path, &t, &e), 0);
    free(f);
    free(d);
    free(w);
    return path;
}

static double wave(int64_t i) { return 40 + 10 * sin((double)i / 5); }
static double cycle(int64_t i) { return (double)(i % 7); }
static double half(int64_t i) { return i % 2 ? (double)(i / 2 % 2) : sin((double)(i / 2 % 2) * 3) + draw() / 10; } /* [n, 2]: a class by x */
static double noise(int64_t i) { return i % 3 == 2 ? 100 + 20 * cos((double)i) : cos((double)(i + 2 - i % 3)) + draw() / 10; } /* [n, 3] */
static double parity(int64_t i) { return (double)(i % 2); }
static double steps(int64_t i) { return (double)(i / 12 % 2) * 2 - 1 + draw() / 10; } /* [n, 6, 2], by parity of the example */

static const char *write_table(const char *name, const char *header, int rows, void (*row)(FILE *f, int i))
{
    const char *path = temp_path(name);
    FILE *f = fopen(path, "w");
    if (!f) abort();
    fputs(header, f);
    for (int i = 0; i < rows; i++) row(f, i);
    fclose(f);
    return path;
}

static void flower(FILE *f, int i) { fprintf(f, "%d,%.2f,%.2f,%s\n", i, i % 2 + draw() / 4, draw(), i % 2 ? "setosa" : "virginica"); }
static void unnamed(FILE *f, int i) { fprintf(f, "%.3f;%.3f;%d\n", i % 3 + draw() / 4, draw(), i % 3); }
static void coin(FILE *f, int i) { fprintf(f, "%.2f,%s\n", i % 2 + draw() / 4, i % 2 ? "head" : "tail"); }
static void house(FILE *f, int i)
{
    double rooms = 1 + i % 6;
    fprintf(f, "street %d,%g,%s,%g\n", i, rooms, i % 5 ? "20" : "", 50000 * rooms + 1000 * draw());
}
static void review(FILE *f, int i) { fprintf(f, "%d,%s film number %d,%s\n", i, i % 2 ? "what a fine" : "such a dull", i, i % 2 ? "good" : "bad"); }
static void tagged(FILE *f, int i) { fprintf(f, "%d\tthe %s one of %d\n", i % 3, i % 3 == 0 ? "first" : i % 3 == 1 ? "second" : "third", i); }
static void month(FILE *f, int i) { fprintf(f, "19%02d-%02d,%.1f\n", 50 + i / 12, 1 + i % 12, wave(i)); }
static void value(FILE *f, int i) { fprintf(f, "%.2f\n", wave(i)); }
static void noted(FILE *f, int i) { fprintf(f, "%.2f,%.2f,note %d,%s\n", i % 2 + draw() / 4, draw(), i, i % 2 ? "yes" : "no"); }
static void line(FILE *f, int i) { fprintf(f, "the %s sat on the %s number %d.\n", i % 2 ? "cat" : "dog", i % 3 ? "mat" : "hat", i % 10); }
static void short_line(FILE *f, int i) { fprintf(f, "na\xc3\xafve caf\xc3\xa9 %d ", i % 2); }

/* ---- learning ---- */

/* The losses of the reports, first and last. */
static bool falls(const char *text)
{
    double first = -1, last = -1;
    for (const char *at = text; (at = strstr(at, "loss ")); at += 5) {
        const char *start = at;
        while (start > text && start[-1] != '\n') start--;
        if (memmem(start, (size_t)(at - start), "valid", 5)) continue;
        last = atof(at + 5);
        if (first < 0) first = last;
    }
    return first > 0 && isfinite(last) && last < 0.97 * first;
}

/* init says `found`, and what it wrote has no mistake and learns. */
static void learns(const char *data, const char *options, const char *found)
{
    char model[512];
    snprintf(model, sizeof model, "%s", data);
    strcpy(strrchr(model, '.'), ".yaml");
    unlink(model);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " init '%s' %s", data, options), 0);
    bool says = strstr(said, found) != NULL && strstr(said, "next: graphrun ") != NULL;
    CU_ASSERT(says);
    if (!says) printf("not '%s' but: %s", found, said);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " check '%s'", model), 0);
    CU_ASSERT_STRING_EQUAL(said, "");
    if (*said) printf("%s", said);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " train '%s' --steps 60 --report 15 --quiet", model), 0);
    bool fell = falls(said);
    CU_ASSERT(fell);
    if (!fell) printf("%s does not learn:\n%s", model, said);
}

static void texts_learn(void)
{
    learns(write_table("story.txt", "", 200, line), "", "a text of ");
    learns(write_table("short.txt", "", 30, short_line), "", "different");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " init '%s'", temp_path("story.txt")), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "is there already and stays as it is"));
    const char *other = temp_path("in another folder.yaml");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " init '%s' -o '%s'", temp_path("story.txt"), other), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " check '%s'", other), 0);
    if (access("/usr/share/common-licenses/GPL-3", R_OK) != 0) return;
    CU_ASSERT_EQUAL(shell(GRAPHRUN " init -o '%s'", temp_path("some_text.yaml")), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " check '%s'", temp_path("some_text.yaml")), 0);
}

static void many_words_learn(void)
{
    learns(write_table("book.txt", "", 40000, line), "", "a text of 320,000 words");
}

static void tables_learn(void)
{
    learns(write_table("flowers.csv", "id,petal,sepal,kind\n", 120, flower), "", "2 columns of numbers; predicts kind, one of 2 classes");
    learns(write_table("coins.csv", "weight,side\n", 120, coin), "", "a table of 120 rows, 1 column of numbers; predicts side");
    learns(write_table("unnamed.csv", "", 90, unnamed), "", "predicts 2, one of 3 classes");
    learns(write_table("houses.csv", "street,rooms,age,price\n", 100, house), "", "2 columns of numbers; predicts price, a number");
    learns(write_table("rooms.csv", "street,rooms,age,price\n", 100, house), "--target rooms", "predicts rooms, one of 6 classes");
    learns(write_table("months.csv", "month,passengers\n", 150, month), "", "a series of 150 steps, 1 value a step; predicts passengers");
    learns(write_table("values.csv", "value\n", 150, value), "", "a series of 150 steps, 1 value a step");
}

/* Names of columns that would end a line, a comment or a quotation of the model stay names. */
static void odd_names_are_names(void)
{
    static const char header[] = "\"pe\"\"tal\nlength\",it's \\ $5: #,\"left\n out: {op: Nothing}\",\"\xc2\x85kind\tof\n- it\"\n";
    learns(write_table("odd_names.csv", header, 120, noted), "", "2 columns of numbers; predicts \"\\u0085kind\\tof\\n- it\", one of 2 classes");
    char *model = read_text(temp_path("odd_names.yaml"), NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT_PTR_NOT_NULL(strstr(model, "columns: [\"pe\\\"tal\\nlength\", \"it's \\\\ $$5: #\"]   # left out, texts and row numbers: \"left\\n out: {op: Nothing}\"\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(model, "predicts \"\\u0085kind\\tof\\n- it\", one of 2 classes.\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(model, "  label: \"\\u0085kind\\tof\\n- it\"\n"));
    free(model);
    char text[400] = "";
    for (int i = 0; i < 99; i++) strcat(text, i % 3 ? "\n1" : "2 ");
    learns(temp_file("numbers.txt", "\x01%s", text), "", "a text of ");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " train '%s' --steps 1 --quiet", temp_path("numbers.yaml")), 0);
}

static void climb(FILE *f, int i) { fprintf(f, "%d,%d\n", i, 3 * i); }
static void town(FILE *f, int i) { fprintf(f, "%d,%s,street %d,%d.5\n", i % 7, i % 2 ? "oslo" : "rome", i, 3 * i + i % 2); }

/* The metric is in the units of the file: by the spread that the source learnt from the training part. */
static void a_trend_has_the_spread_of_its_training_part(void)
{
    char model[512];
    snprintf(model, sizeof model, "%s", temp_path("climb.yaml"));
    unlink(model);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " init '%s'", write_table("climb.csv", "step,v\n", 100, climb)), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " run '%s' --fetch std", model), 0);
    const char *value = strchr(said, '=');
    CU_ASSERT_PTR_NOT_NULL_FATAL(value);
    CU_ASSERT_DOUBLE_EQUAL(atof(value + 1), 3 * sqrt((80 * 80 - 1) / 12.0), 1e-2);
}

static void columns_left_out_are_told(void)
{
    unlink(temp_path("towns.yaml"));
    CU_ASSERT_EQUAL(shell(GRAPHRUN " init '%s'", write_table("towns.csv", "rooms,town,street,price\n", 60, town)), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "left out, texts and row numbers: town, street\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "`one_hot: [town]` in `data`"));
    CU_ASSERT_EQUAL(shell(GRAPHRUN " init '%s' -o towns.txt", temp_path("towns.csv")), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "ends in .yaml or .yml: 'towns.txt' does not"));
}

static void labelled_texts_learn(void)
{
    learns(write_table("reviews.csv", "id,text,mood\n", 100, review), "", "100 texts; predicts mood, one of 2 classes");
    learns(write_table("tagged.tsv", "", 100, tagged), "", "100 texts; predicts 0, one of 3 classes");
    learns(write_table("tagged.txt", "", 100, tagged), "", "100 texts; predicts 0, one of 3 classes");
}

static void arrays_learn(void)
{
    learns(write_array("wave.npy", GR_FLOAT32, 1, (int64_t[]){400}, wave), "", "a series of 400 numbers");
    learns(write_array("items.npy", GR_INT32, 1, (int64_t[]){300}, cycle), "", "a series of 300 items, 7 different");
    learns(write_array("classes.npy", GR_FLOAT64, 2, (int64_t[]){100, 2}, half), "", "one of 2 classes");
    learns(write_array("numbers.npy", GR_FLOAT32, 2, (int64_t[]){100, 3}, noise), "", "predicts the last, a number");
    learns(write_array("rows.npy", GR_INT32, 2, (int64_t[]){50, 14}, cycle), "", "50 sequences of 14 items, 7 different");
    learns(write_array("series.npy", GR_FLOAT32, 3, (int64_t[]){40, 10, 2}, wave), "", "40 series of 10 steps, 2 numbers a step");
    const char *y = write_array("y.npy", GR_INT32, 1, (int64_t[]){60}, parity);
    char options[300];
    snprintf(options, sizeof options, "--target '%s'", y);
    learns(write_array("x.npy", GR_FLOAT32, 3, (int64_t[]){60, 6, 2}, steps), options, "60 examples [60, 6, 2]; predicts one of 2 classes");
}

/* An archive as numpy.savez writes it: x.npy as x, and so on. */
static const char *write_archive(const char *name, const char *const *arrays)
{
    const char *path = temp_path(name);
    unlink(path);
    zip_t *z = zip_open(path, ZIP_CREATE, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(z);
    for (; *arrays; arrays += 2) {
        char member[64];
        snprintf(member, sizeof member, "%s.npy", arrays[0]);
        CU_ASSERT_TRUE(zip_file_add(z, member, zip_source_file(z, arrays[1], 0, -1), 0) >= 0);
    }
    CU_ASSERT_EQUAL(zip_close(z), 0);
    return path;
}

static void archives_learn(void)
{
    char series[300], rows[300], labels[300], options[400];
    snprintf(series, sizeof series, "%s", write_array("in_archive.npy", GR_FLOAT32, 1, (int64_t[]){400}, wave));
    snprintf(rows, sizeof rows, "%s", write_array("in_archive_x.npy", GR_FLOAT32, 3, (int64_t[]){60, 6, 2}, steps));
    snprintf(labels, sizeof labels, "%s", write_array("in_archive_y.npy", GR_INT32, 1, (int64_t[]){60}, parity));
    learns(write_archive("one.npz", (const char *const[]){"series", series, NULL}), "", "a series of 400 numbers");
    static const char told[] = "60 examples [60, 6, 2]; predicts one of 2 classes";
    learns(write_archive("two.npz", (const char *const[]){"y", labels, "x", rows, NULL}), "", told);
    const char *three = write_archive("three.npz", (const char *const[]){"x", rows, "y", labels, "z", series, NULL});
    snprintf(options, sizeof options, "/x --target '%s/y.npy' -o '%s'", three, temp_path("three.yaml"));
    unlink(temp_path("three.yaml"));
    CU_ASSERT_EQUAL(shell(GRAPHRUN " init '%s'%s", three, options), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, told));
    CU_ASSERT_EQUAL(shell(GRAPHRUN " train '%s' --steps 5 --quiet", temp_path("three.yaml")), 0);
    unlink(temp_path("three.yaml"));
    CU_ASSERT_EQUAL(shell("cd '%s' && " GRAPHRUN " init three.npz/z && " GRAPHRUN " train three.yaml --steps 5 --quiet", temp_path("")), 0);
}

/* ---- odd files ---- */

static void refused(const char *data, const char *options, const char *why)
{
    CU_ASSERT_EQUAL(shell(GRAPHRUN " init '%s' %s -o '%s'", data, options, temp_path("refused.yaml")), 1);
    bool says = strstr(said, why) != NULL;
    CU_ASSERT(says);
    if (!says) printf("not '%s' but: %s", why, said);
    CU_ASSERT_NOT_EQUAL(access(temp_path("refused.yaml"), F_OK), 0);
}

static void odd_files_are_told(void)
{
    refused(temp_file("empty.txt", "%s", ""), "", "is empty");
    refused(temp_file("line.txt", "hello world\n"), "", "12 characters");
    refused(temp_file("line.csv", "a,b,c\n"), "", "a model needs 8 or more");
    refused(temp_file("few.csv", "a,b\n1,2\n3,4\n"), "", "2 rows below its header");
    refused(temp_file("ragged.csv", "a,b\n1,2\n3,4,5\n"), "", "line 3 has 3 columns");
    refused(temp_file("words.csv", "a,b\nx,y\nu,v\nq,r\ns,t\nx,y\nu,v\nq,r\ns,t\n"), "", "holds numbers");
    refused(temp_file("missing.csv", "a,b\n1,2\n2,\n3,4\n4,1\n5,2\n6,3\n7,1\n8,3\n9,1\n"), "", "is empty in 1 row:");
    refused(temp_file("same.csv", "a,b\n1,2\n2,2\n3,2\n4,2\n5,2\n6,2\n7,2\n8,2\n9,2\n"), "", "the same in every row");
    refused(temp_file("target.csv", "a,b\n1,2\n2,3\n3,4\n4,1\n5,2\n6,3\n7,1\n8,3\n9,1\n"), "--target c", "it has: a, b");
    refused(temp_path("nowhere.txt"), "", "nowhere.txt");
    refused(write_array("scalar.npy", GR_FLOAT32, 0, NULL, wave), "", "0 axes");
    refused(write_array("axes.npy", GR_FLOAT32, 4, (int64_t[]){8, 2, 2, 2}, wave), "", "4 axes");
    refused(write_array("tiny.npy", GR_FLOAT32, 2, (int64_t[]){3, 2}, wave), "", "8 examples or more");
    refused(temp_file("false.npy", "no array"), "", "false.npy");
    refused(temp_file("arrays.npz", "PK\3\4 and so on"), "", "arrays.npz: cannot be read as a zip archive");
    char array[300];
    snprintf(array, sizeof array, "%s", write_array("of_three.npy", GR_FLOAT32, 1, (int64_t[]){60}, wave));
    const char *three = write_archive("abc.npz", (const char *const[]){"a", array, "b", array, "c", array, NULL});
    refused(three, "", "abc.npz holds the arrays a, b, c: say which is to be read, ");
    refused(three, "--target b", "abc.npz holds the arrays a, b, c: say which is to be read, ");
    refused(write_archive("ab.npz", (const char *const[]){"a", array, "b", array, NULL}), "", "ab.npz holds the arrays a, b: ");
    refused(write_archive("other.npz", (const char *const[]){"a.txt", array, NULL}), "--target q", "q: No such file");
    FILE *f = fopen(temp_path("binary.dat"), "wb");
    for (int i = 0; f && i < 300; i++) fputc(i % 256, f);
    if (f) fclose(f);
    refused(temp_path("binary.dat"), "", "there are starter models for: a text (UTF-8), a table");
    refused(temp_file("pairs.txt", "go .\tva !\nrun !\tcours !\n"), "", "graphrun ops TextPairs");
    refused(temp_file("quoted.csv", "text,mood\n\"a, b\",x\nc,y\nd,x\ne,y\nf,x\ng,y\nh,x\ni,y\n"), "", "texts between quotes");
    refused(temp_file("a.ts", "@data\n"), "", "graphrun ops Ts");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " init a b"), 2);
}

void test_init(void)
{
    CU_pSuite s = CU_add_suite("init", NULL, NULL);
    CU_add_test(s, "texts by characters", texts_learn);
    CU_add_test(s, "texts by words", many_words_learn);
    CU_add_test(s, "tables and series", tables_learn);
    CU_add_test(s, "names of columns that YAML would read", odd_names_are_names);
    CU_add_test(s, "the spread of a trend", a_trend_has_the_spread_of_its_training_part);
    CU_add_test(s, "columns left out", columns_left_out_are_told);
    CU_add_test(s, "texts with a class", labelled_texts_learn);
    CU_add_test(s, "arrays", arrays_learn);
    CU_add_test(s, "archives of arrays", archives_learn);
    CU_add_test(s, "odd files", odd_files_are_told);
}
