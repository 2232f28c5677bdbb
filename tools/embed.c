/* embed.c - a build helper: turns text files into one C table.
 *
 * embed TABLE FOLDER FILE... prints a gr_builtin_file TABLE[] of {"FOLDER/FILE", text, length}, NULL-ended; a
 * FOLDER of "" leaves the names alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_bytes(FILE *f)
{
    int c, n = 0;
    while ((c = fgetc(f)) != EOF) printf("%d,%s", c, ++n % 24 == 0 ? "\n" : "");
    printf("0};\n");
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: embed TABLE FOLDER FILE...\n");
        return EXIT_FAILURE;
    }
    printf("#include \"model/builtin.h\"\nextern const gr_builtin_file %s[];\n", argv[1]);
    for (int i = 3; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        if (!f) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
        printf("static const char text_%d[] = {\n", i);
        print_bytes(f);
        fclose(f);
    }
    printf("const gr_builtin_file %s[] = {\n", argv[1]);
    for (int i = 3; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        printf("    {\"%s%s%s\", text_%d, sizeof text_%d - 1},\n", argv[2], *argv[2] ? "/" : "", slash ? slash + 1 : argv[i], i, i);
    }
    printf("    {NULL, NULL, 0},\n};\n");
    return EXIT_SUCCESS;
}
