/* The kernels in C against definitions that try everything, on random rows with many equal values. */
#include "check.h"
#include "ops/suppress.h"
#include "ops/top_k.h"

#include <string.h>

enum { MOST = 64 };

static uint32_t state = 1;

static uint32_t next(uint32_t limit)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % limit;
}

/* How many elements of a row come before element i. */
static int32_t rank_of(const float *row, int32_t length, int32_t i, int32_t largest)
{
    int32_t rank = 0;
    for (int32_t j = 0; j < length; ++j) {
        const float a = largest ? row[j] : -row[j], b = largest ? row[i] : -row[i];
        rank += a > b || (a == b && j < i);
    }
    return rank;
}

static void test_top_k(int32_t rows, int32_t length, int32_t k, int32_t largest)
{
    float x[MOST * MOST];
    int64_t indices[MOST * MOST];
    for (int32_t i = 0; i < rows * length; ++i)
        x[i] = (float)next(7) - 3;
    memset(indices, 0xff, sizeof indices);
    separable_top_k(x, indices, length, k, largest, NULL, 1, rows);
    separable_top_k(x, indices, length, k, largest, NULL, 0, 1);
    for (int32_t row = 0; row < rows; ++row) {
        for (int32_t i = 0; i < k; ++i)
            CHECK(rank_of(x + row * length, length, (int32_t)indices[row * k + i], largest) == i);
    }
    CHECK(indices[rows * k] == -1);
}

/* Intersection over union of boxes of whole numbers, turned any way round. */
static float overlap_of(const float *a, const float *b)
{
    float extent[2], sizes[2] = {1, 1};
    for (int axis = 0; axis < 2; ++axis) {
        const float a0 = a[axis] < a[axis + 2] ? a[axis] : a[axis + 2], a1 = a[axis] + a[axis + 2] - a0;
        const float b0 = b[axis] < b[axis + 2] ? b[axis] : b[axis + 2], b1 = b[axis] + b[axis + 2] - b0;
        extent[axis] = (a1 < b1 ? a1 : b1) - (a0 > b0 ? a0 : b0);
        sizes[0] *= a1 - a0;
        sizes[1] *= b1 - b0;
    }
    if (extent[0] <= 0 || extent[1] <= 0)
        return 0;
    return extent[0] * extent[1] / (sizes[0] + sizes[1] - extent[0] * extent[1]);
}

/* The definition: the best box that is left stays, and all that it covers go. */
static void expect_kept(const float *boxes, const float *scores, const separable_suppression *s, float *kept)
{
    int left[MOST], found = 0;
    memset(kept, 0, sizeof *kept * (size_t)s->count);
    for (int32_t i = 0; i < s->count; ++i)
        left[i] = !s->filtered || scores[i] > s->threshold;
    while (found < s->limit) {
        int32_t best = -1;
        for (int32_t i = 0; i < s->count; ++i) {
            if (left[i] && (best < 0 || scores[i] > scores[best]))
                best = i;
        }
        if (best < 0)
            return;
        kept[best] = scores[best];
        found += 1;
        for (int32_t i = 0; i < s->count; ++i)
            left[i] = left[i] && i != best && overlap_of(boxes + 4 * best, boxes + 4 * i) <= s->overlap;
    }
}

static void test_suppress(int32_t pictures, separable_suppression s)
{
    static float boxes[MOST * 4], scores[MOST * MOST], kept[MOST * MOST + 1], expected[MOST];
    static _Alignas(64) char scratch[SEPARABLE_SUPPRESS_SCRATCH(MOST, MOST)];
    const int32_t items = pictures * s.classes;
    for (int32_t i = 0; i < pictures * s.count * 4; ++i)
        boxes[i] = (float)next(12);
    for (int32_t i = 0; i < items * s.count; ++i)
        scores[i] = (float)next(9) - 2;
    memset(kept, 0xff, sizeof kept);
    const float guard = kept[items * s.count];
    separable_suppress(boxes, scores, kept, s, scratch, items / 2, items);
    separable_suppress(boxes, scores, kept, s, scratch, 0, items / 2);
    for (int32_t item = 0; item < items; ++item) {
        expect_kept(boxes + item / s.classes * s.count * 4, scores + item * s.count, &s, expected);
        CHECK(memcmp(kept + item * s.count, expected, sizeof *kept * (size_t)s.count) == 0);
    }
    CHECK(memcmp(&kept[items * s.count], &guard, sizeof guard) == 0);
}

int main(void)
{
    for (int32_t round = 0; round < 20; ++round) {
        for (int32_t largest = 0; largest < 2; ++largest) {
            test_top_k(3, 37, 5, largest);
            test_top_k(2, 37, 37, largest);
            test_top_k(5, 8, 1, largest);
            test_top_k(1, 1, 1, largest);
        }
        /* classes, count, limit, centred, filtered, threshold, overlap */
        test_suppress(1, (separable_suppression){3, 21, 4, 0, 1, 0.5f, 0.25f});
        test_suppress(3, (separable_suppression){1, 21, 21, 0, 0, 0, 0.5f});
        test_suppress(2, (separable_suppression){2, 16, 16, 0, 1, 100, 0.5f});
        test_suppress(1, (separable_suppression){1, 1, 1, 0, 0, 0, 0});
        test_suppress(1, (separable_suppression){2, 9, 0, 0, 0, 0, 0.5f});
    }
    return EXIT_SUCCESS;
}
