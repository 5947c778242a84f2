#include "halo.h"

#include <string.h>

static void zero_block(unsigned char *block, const separable_halo *halo)
{
    const size_t row = (size_t)halo->row_bytes;
    const size_t left = (size_t)halo->left_bytes, right = (size_t)halo->right_bytes;
    const size_t interior = row - left - right;
    const int32_t interior_rows = halo->rows - halo->top - halo->bottom;

    /* The right border of a row and the left border of the next lie side by side: one memset for both. */
    size_t length = (size_t)halo->top * row + left;
    for (int32_t y = 0; y < interior_rows; ++y) {
        memset(block, 0, length);
        block += length + interior;
        length = right + left;
    }
    memset(block, 0, right + (size_t)halo->bottom * row);
}

void separable_zero_halo(unsigned char *arena, const separable_halo *halo, int32_t begin, int32_t end)
{
    const size_t block_bytes = (size_t)halo->rows * (size_t)halo->row_bytes;
    for (int32_t block = begin; block < end; ++block)
        zero_block(arena + halo->offset + (size_t)block * block_bytes, halo);
}
