/* half.h - numbers of 16 bits: exact to float, and to the nearest from float, ties to even.
 *
 *     bfloat16   1 sign, 8 exponent,  7 mantissa: a float's upper half
 *     float16    1 sign, 5 exponent, 10 mantissa: up to 65504, steps of 2^-24 below 2^-14 */
#ifndef GR_BASE_HALF_H
#define GR_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t gr_float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float gr_bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float gr_from_bf16(uint16_t h) { return gr_bits_float((uint32_t)h << 16); }

static inline uint16_t gr_to_bf16(float x)
{
    const uint32_t bits = gr_float_bits(x);
    if (x != x) return (uint16_t)(bits >> 16 | 0x40); /* stays NaN */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float gr_from_f16(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h >> 15) << 31, exponent = h >> 10 & 31, mantissa = h & 1023;
    if (exponent == 0) return gr_bits_float(sign | gr_float_bits((float)mantissa * 0x1p-24f));
    return gr_bits_float(sign | (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13);
}

/* What is too large becomes infinity. */
static inline uint16_t gr_to_f16(float x)
{
    const uint16_t sign = (uint16_t)(gr_float_bits(x) >> 16 & 0x8000);
    const uint32_t bits = gr_float_bits(x) & 0x7fffffff;
    if (bits > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (bits >> 13 & 0x3ff));
    if (bits >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* from 65520 up */
    if (bits < 0x38800000) /* below 2^-14: adding 0.5 leaves steps of 2^-24 */
        return (uint16_t)(sign | (gr_float_bits(gr_bits_float(bits) + 0.5f) - 0x3f000000));
    return (uint16_t)(sign | ((bits - 0x38000000 + 0xfff + (bits >> 13 & 1)) >> 13));
}
#endif
