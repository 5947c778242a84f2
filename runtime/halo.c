#include "halo.h"

#include <string.h>

enum { VECTOR = 16 }; /* bytes; the pixels of compiled models are multiples */

static void zero_block(unsigned char *block, const separable_halo *halo)
{
    const size_t row = (size_t)halo->row_bytes;
    const size_t left = (size_t)halo->left_bytes, right = (size_t)halo->right_bytes;
    const int32_t interior_rows = halo->rows - halo->top - halo->bottom;

    const size_t above = (size_t)halo->top * row + left;
    memset(block, 0, above);
    /* The right border of a row and the left border of the next lie side by side. Both are a vector or two: rows are
       the inner loop, in which the constant length becomes a store instead of a call. */
    block += above + row - left - right;
    const size_t rest = (left + right) % VECTOR, whole = left + right - rest;
    for (size_t i = 0; i < whole; i += VECTOR)
        for (int32_t y = 0; y < interior_rows - 1; ++y)
            memset(block + (size_t)y * row + i, 0, VECTOR);
    for (int32_t y = 0; rest && y < interior_rows - 1; ++y)
        memset(block + (size_t)y * row + whole, 0, rest);
    memset(block + (size_t)(interior_rows - 1) * row, 0, right + (size_t)halo->bottom * row);
}

void separable_zero_halo(unsigned char *arena, const separable_halo *halo, int32_t begin, int32_t end)
{
    const size_t block_bytes = (size_t)halo->rows * (size_t)halo->row_bytes;
    for (int32_t block = begin; block < end; ++block)
        zero_block(arena + halo->offset + (size_t)block * block_bytes, halo);
}
