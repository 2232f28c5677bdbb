/* embed.c - a build helper: turns text files into one C table.
 *
 * embed FILE... prints a gr_builtin_files[] of {name, text, length}, NULL-ended. */
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
    printf("#include \"model/builtin.h\"\n");
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        if (!f) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
        printf("static const char text_%d[] = {\n", i);
        print_bytes(f);
        fclose(f);
    }
    printf("const gr_builtin_file gr_builtin_files[] = {\n");
    for (int i = 1; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        printf("    {\"ops/%s\", text_%d, sizeof text_%d - 1},\n", slash ? slash + 1 : argv[i], i, i);
    }
    printf("    {NULL, NULL, 0},\n};\n");
    return EXIT_SUCCESS;
}
