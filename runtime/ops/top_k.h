/* Where the largest or smallest elements of rows are. */
#ifndef SEPARABLE_OPS_TOP_K_H
#define SEPARABLE_OPS_TOP_K_H

#include <stdint.h>

/*
 * Indices [rows][k] of the k largest (or smallest) elements of the rows begin to end of x [rows][length], the best first
 * and of equals the one with the lower index; 1 <= k <= length. Where a NaN goes is not defined.
 */
void separable_top_k(const void *x, void *indices, int32_t length, int32_t k, int32_t largest, void *scratch,
                     int32_t begin, int32_t end);

#endif
