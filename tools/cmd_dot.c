/* cmd_dot.c - graphrun dot. */
#include "cli.h"

int cmd_dot(int argc, char **argv)
{
    (void)argc, (void)argv;
    return EXIT_MODEL;
}
