#include "top_k.h"

/* A row, and its best elements so far: a heap of indices with the worst at the root. */
typedef struct heap {
    const float *row;
    int64_t *index;
    int32_t largest;
} heap;

static int is_better(const heap *h, int64_t a, int64_t b)
{
    const float x = h->row[a], y = h->row[b];
    if (x == y)
        return a < b;
    return h->largest ? x > y : x < y;
}

/* Lets the element at `place` sink among the first `size`. */
static void sink(const heap *h, int32_t place, int32_t size)
{
    const int64_t element = h->index[place];
    for (;;) {
        int32_t child = 2 * place + 1;
        if (child >= size)
            break;
        if (child + 1 < size && is_better(h, h->index[child], h->index[child + 1]))
            child += 1;
        if (!is_better(h, element, h->index[child]))
            break;
        h->index[place] = h->index[child];
        place = child;
    }
    h->index[place] = element;
}

static void select_row(const heap *h, int32_t length, int32_t k)
{
    for (int32_t i = 0; i < k; ++i)
        h->index[i] = i;
    for (int32_t i = k / 2 - 1; i >= 0; --i)
        sink(h, i, k);
    for (int32_t i = k; i < length; ++i) {
        if (is_better(h, i, h->index[0])) {
            h->index[0] = i;
            sink(h, 0, k);
        }
    }
    /* The worst of what is left goes behind it. */
    for (int32_t size = k - 1; size > 0; --size) {
        const int64_t worst = h->index[0];
        h->index[0] = h->index[size];
        h->index[size] = worst;
        sink(h, 0, size);
    }
}

void separable_top_k(const void *x, void *indices, int32_t length, int32_t k, int32_t largest, void *scratch,
                     int32_t begin, int32_t end)
{
    (void)scratch;
    for (int32_t row = begin; row < end; ++row) {
        const heap h = {(const float *)x + (int64_t)row * length, (int64_t *)indices + (int64_t)row * k, largest};
        select_row(&h, length, k);
    }
}
