/* An input of the model blur, and the output it must give. */
#ifndef BLUR_CASE_H
#define BLUR_CASE_H

#include "check.h"

#include <stdbool.h>
#include <stdint.h>

enum { BLUR_CHANNELS = 2, BLUR_ROWS = 6, BLUR_COLUMNS = 8, BLUR_SIZE = BLUR_CHANNELS * BLUR_ROWS * BLUR_COLUMNS };

/* Small integers and their sums are exact in float32, so the results can be compared for equality. */
static inline void blur_fill(float x[BLUR_SIZE], int seed)
{
    for (int i = 0; i < BLUR_SIZE; ++i)
        x[i] = (float)((i * 7 + seed * 13) % 31 - 15);
}

static inline float blur_pixel(const float *x, int channel, int row, int column)
{
    const bool inside = row >= 0 && row < BLUR_ROWS && column >= 0 && column < BLUR_COLUMNS;
    return inside ? x[(channel * BLUR_ROWS + row) * BLUR_COLUMNS + column] : 0;
}

static inline void blur_check(const float x[BLUR_SIZE], const float y[BLUR_SIZE])
{
    static const float bias[BLUR_CHANNELS] = {0.5f, -1.5f};
    for (int i = 0; i < BLUR_SIZE; ++i) {
        const int channel = i / (BLUR_ROWS * BLUR_COLUMNS);
        const int row = i / BLUR_COLUMNS % BLUR_ROWS, column = i % BLUR_COLUMNS;
        float sum = bias[channel];
        for (int tap = 0; tap < 9; ++tap)
            sum += blur_pixel(x, channel, row + tap / 3 - 1, column + tap % 3 - 1);
        CHECK(y[i] == 2 * sum);
    }
}

#endif
