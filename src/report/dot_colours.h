/* dot_colours.h - the colours of pictures, on a light page and on a dark one.
 *
 * Lines and threads are of the palette of Okabe and Ito (Color Universal Design, 2008), which people who see
 * colours differently tell apart; what a colour says, a line style, a shape or a number says as well. No two
 * light colours are the same: dark ones are put in their place by value. */
#ifndef GR_REPORT_DOT_COLOURS_H
#define GR_REPORT_DOT_COLOURS_H

#define GR_COLOURS(X)                                                        \
    X(PAGE, "#ffffff", "#0f141a")                                            \
    X(TEXT, "#1b1f24", "#e8edf2")                                            \
    X(MUTED, "#4f5965", "#a9b4bf")                                           \
    X(FORWARD_FILL, "#dcebf8", "#17344d")                                    \
    X(BACKWARD_FILL, "#fde5d2", "#4c2b11")                                   \
    X(UPDATE_FILL, "#d5efe6", "#0f3b2f")                                     \
    X(FORWARD_SHADE, "#f4f9fd", "#121e2a")                                   \
    X(BACKWARD_SHADE, "#fff8f2", "#231a13")                                  \
    X(UPDATE_SHADE, "#f2faf7", "#11221d")                                    \
    X(FORWARD_LINE, "#0072b2", "#6cb8ec")                                    \
    X(BACKWARD_LINE, "#c24e00", "#f09a57")                                   \
    X(UPDATE_LINE, "#00795a", "#4fcaa3")

enum {
#define X(name, light, dark) GR_COLOUR_##name,
    GR_COLOURS(X)
#undef X
    GR_NUM_COLOURS
};

static const char *const gr_light[GR_NUM_COLOURS] = {
#define X(name, light, dark) light,
    GR_COLOURS(X)
#undef X
};

/* Of threads, alike on both pages, with black text; those that have a colour for the second and third time have a frame. */
#define GR_THREAD_COLOURS 7
#define GR_THREAD_COLOUR(n) ((const char *const[GR_THREAD_COLOURS]){"#e69f00", "#56b4e9", "#f0e442", "#34b38c", "#d98bb4", "#e57f3a", "#b8b8b8"}[(n) % GR_THREAD_COLOURS])
enum { GR_THREAD_FRAMES = 3 };
#define GR_THREAD_FRAME(n) ((n) / GR_THREAD_COLOURS % GR_THREAD_FRAMES) /* none, solid, dashed */
#define GR_INK "#000000"
#endif
