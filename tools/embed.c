/* embed.c - a build helper: turns text files into one C table.
 *
 * embed TABLE FOLDER FILE... prints a gr_builtin_file TABLE[] of {name, text, length}, NULL-ended. A name is the file's
 * path from FOLDER on, wherever that lies ("ops/rnn_cell.yaml"); with a FOLDER of "" it is the last part alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_bytes(FILE *f)
{
    int c, n = 0;
    while ((c = fgetc(f)) != EOF) printf("%d,%s", c, ++n % 24 == 0 ? "\n" : "");
    printf("0};\n");
}

static const char *name_of(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    const char *found = path;
    for (const char *at = path; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
        if (!n || (strncmp(at, folder, n) == 0 && at[n] == '/')) found = at;
    return found;
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
    for (int i = 3; i < argc; i++) printf("    {\"%s\", text_%d, sizeof text_%d - 1},\n", name_of(argv[i], argv[2]), i, i);
    printf("    {NULL, NULL, 0},\n};\n");
    return EXIT_SUCCESS;
}
