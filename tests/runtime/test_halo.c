/* Halo zeroing: the whole border, nothing but the border, however the blocks are split. */
#include "check.h"
#include "halo.h"

#include <string.h>

enum { ARENA = 1 << 16, DIRT = 0xa5 };

static int in_border(const separable_halo *halo, int64_t position)
{
    const int64_t row = position / halo->row_bytes % halo->rows, byte = position % halo->row_bytes;
    return row < halo->top || row >= halo->rows - halo->bottom || byte < halo->left_bytes ||
           byte >= halo->row_bytes - halo->right_bytes;
}

static void test_halo(const separable_halo *halo)
{
    static unsigned char arena[ARENA];
    const int64_t size = (int64_t)halo->blocks * halo->rows * halo->row_bytes;
    CHECK(halo->offset + size < ARENA);
    for (int32_t split = 0; split <= halo->blocks; ++split) {
        memset(arena, DIRT, sizeof arena);
        separable_zero_halo(arena, halo, 0, split);
        separable_zero_halo(arena, halo, split, halo->blocks);
        for (int64_t i = 0; i < ARENA; ++i) {
            const int64_t position = i - halo->offset;
            const int zero = position >= 0 && position < size && in_border(halo, position);
            CHECK(arena[i] == (zero ? 0 : DIRT));
        }
    }
}

int main(void)
{
    /* offset, blocks, rows, row bytes, top, bottom, left, right */
    test_halo(&(separable_halo){64, 1, 3, 96, 1, 1, 32, 32});
    test_halo(&(separable_halo){0, 5, 9, 288, 1, 1, 32, 32});
    test_halo(&(separable_halo){128, 3, 8, 256, 0, 1, 0, 32});
    test_halo(&(separable_halo){192, 3, 8, 256, 2, 2, 64, 64});
    test_halo(&(separable_halo){64, 2, 7, 160, 3, 0, 0, 0});
    test_halo(&(separable_halo){64, 2, 7, 160, 0, 0, 16, 64});
    test_halo(&(separable_halo){16, 3, 8, 112, 0, 1, 0, 16});
    test_halo(&(separable_halo){64, 2, 3, 64, 1, 1, 16, 16});
    return EXIT_SUCCESS;
}
