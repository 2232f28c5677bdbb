/* odd_plugin.c - a plugin of one op, Odd, that is as it should be or, with one of the macros below, is not:
 * compiled once for each, for the tests of the loader. With none of them it is right. */
#include <graphrun/op.h>

#ifdef OTHER_GRADIENT
static int odd_infer(gr_ctx *c) { return gr_set_output(c, 0, gr_in_type(c, 0)); }
static int odd_gradient(gr_ctx *c) { return gr_set_grad(c, 0, 0, gr_emit1(c, "Sum", gr_grad(c, 0))); }
static void odd_run(const gr_call *call) { *(float *)call->out[0].data = *(const float *)call->in[0].data; }
static const gr_kernel odd_kernels[] = {{GR_FLOAT32, odd_run}, {0}};
#elif !defined(NO_WAY_TO_RUN)
static int odd_expand(gr_ctx *c) { return gr_set_result(c, 0, gr_emit1(c, "Tanh", gr_in(c, 0))); }
#endif

static const gr_attr_spec odd_attrs[] = {
#if defined(ATTR_WITHOUT_KIND)
    {.name = "k", .fallback = "1", .doc = "A number."},
#elif defined(BAD_DEFAULT)
    {.name = "k", .kind = GR_ATTR_INT, .fallback = "9", .min = 1, .max = 5, .doc = "A number."},
#elif defined(BAD_RANGE)
    {.name = "k", .kind = GR_ATTR_INT, .fallback = "3", .min = 5, .max = 1, .doc = "A number."},
#elif defined(NO_CHOICES)
    {.name = "k", .kind = GR_ATTR_CHOICE, .fallback = "a", .doc = "One of few."},
#else
    {.name = "k", .kind = GR_ATTR_INT, .fallback = "1", .doc = "A number."},
#endif
#ifdef ATTRS_WITHOUT_END
    {.name = (const char *)8, .kind = GR_ATTR_INT}, /* what may stand behind a list that nothing ends */
#endif
    {0},
};

static const gr_port odd_inputs[] = {
    {"input", 0, "[...]"},
#ifdef PORT_TWICE
    {"input", 0, "[...]"},
#endif
#ifdef PORT_NAME
    {"second input", 0, "[...]"},
#endif
    {0},
};
#ifndef NO_OUTPUTS
static const gr_port odd_outputs[] = {{"output", 0, "[...]"}, {0}};
#endif

/* A newer graphrun's gr_op, with a field more. */
typedef struct newer_op {
    gr_op op;
    const char *more;
} newer_op;

#ifdef NEWER_IN_USE
#define MORE "in use"
#else
#define MORE NULL
#endif

static const newer_op odd = {
    .op = {
#if defined(OLDER)
        .size = offsetof(gr_op, data) + sizeof(void *), .abi = GR_ABI_VERSION, /* the first release's */
#elif defined(NEWER) || defined(NEWER_IN_USE)
        .size = sizeof(newer_op), .abi = GR_ABI_VERSION,
#elif defined(TOO_SMALL)
        .size = 40, .abi = GR_ABI_VERSION,
#elif defined(ODD_SIZE)
        .size = sizeof(gr_op) - 3, .abi = GR_ABI_VERSION,
#elif defined(HUGE_SIZE)
        .size = 0xdeadbeef, .abi = GR_ABI_VERSION,
#elif defined(OTHER_ABI)
        .size = sizeof(gr_op), .abi = GR_ABI_VERSION + 1,
#else
        GR_OP_HEADER,
#endif
#if defined(BUILT_IN_NAME)
        .name = "Tanh",
#elif defined(BAD_NAME)
        .name = "Odd One",
#elif !defined(NO_NAME)
        .name = "Odd",
#endif
#ifndef NO_SUMMARY
        .summary = "A tanh.",
#endif
        .formula = "tanh(input)",
        .attrs = odd_attrs,
        .inputs = odd_inputs,
#ifndef NO_OUTPUTS
        .outputs = odd_outputs,
#endif
#ifdef UNKNOWN_TRAIT
        .traits = 1u << 31,
#endif
#ifdef METRIC_WITHOUT_DATA
        .traits = GR_METRIC,
#endif
#ifdef NO_BACKWARD
        .backward = "OddGradient",
#endif
#ifdef OTHER_GRADIENT
        .infer = odd_infer, .kernels = odd_kernels, .gradient = odd_gradient,
#elif !defined(NO_WAY_TO_RUN)
        .expand = odd_expand,
#endif
#ifdef OLDER /* an older graphrun's op ends before it: whatever stands there is not read */
        .cases = (const gr_case *)8,
#endif
    },
    .more = MORE,
};

#ifdef OPS_WITHOUT_END
static const gr_op *const ops[] = {&odd.op, (const gr_op *)8};
#else
static const gr_op *const ops[] = {&odd.op, NULL};
#endif

#if defined(TABLE_SIZE)
const gr_plugin *graphrun_plugin(uint32_t abi, uint32_t host_size)
{
    static const gr_plugin plugin = {.size = 4, .abi = GR_ABI_VERSION, .ops = ops};
    return abi && host_size ? &plugin : NULL;
}
#elif defined(NEEDS_MORE)
const gr_plugin *graphrun_plugin(uint32_t abi, uint32_t host_size)
{
    static const gr_plugin plugin = {GR_PLUGIN_HEADER, .ops = ops};
    return abi == GR_ABI_VERSION && host_size >= sizeof(gr_host) + 8 ? &plugin : NULL;
}
#elif defined(NO_OPS)
GR_PLUGIN(.ops = ops + 1)
#elif defined(NO_SYMBOL)
extern const gr_op *const *const odd_ops;
const gr_op *const *const odd_ops = ops;
#else
GR_PLUGIN(.ops = ops)
#endif
