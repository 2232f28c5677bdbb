/* npy.h - one array in a file, as NumPy writes it (formats 1.0 to 3.0). */
#ifndef GR_IO_NPY_H
#define GR_IO_NPY_H

#include "base/diag.h"
#include <graphrun/types.h>

/* Reads a whole array, a file or FILE.npz/NAME of NumPy's archives, into the arena, dense and row-major (a Fortran-ordered file is
 * transposed, another byte order swapped). float16/32/64, bool, integers of any size: they
 * become float32, float64, bool or int32 (a number that does not fit is an error). */
int gr_npy_read(gr_arena *a, const char *path, gr_tensor *out, gr_error *e);
/* Writes t, whatever its strides. */
int gr_npy_write(const char *path, const gr_tensor *t, gr_error *e);
#endif
