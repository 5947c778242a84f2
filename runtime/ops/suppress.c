#include "suppress.h"

#include <string.h>

/* Boxes by score, the best at the root: the larger number comes first, so that no comparison needs a branch. */
typedef struct heap {
    uint64_t *key;
    int32_t size;
} heap;

typedef struct box {
    float left, top, right, bottom, area;
} box;

/* Corners and areas of the boxes that are kept, each an array of its own: overlaps are computed in vectors. */
typedef struct selection {
    float *left, *top, *right, *bottom, *area;
    int32_t size;
} selection;

/* The score in the upper half, in an order of whole numbers; below it the index, so that the lower one comes first. */
static uint64_t key_of(float score, int32_t index)
{
    const float positive_zero = score + 0.0f; /* -0 equals 0 */
    uint32_t bits;
    memcpy(&bits, &positive_zero, sizeof bits);
    bits ^= bits >> 31 ? UINT32_MAX : UINT32_C(1) << 31;
    return (uint64_t)bits << 32 | (UINT32_MAX - (uint32_t)index);
}

static void sink(heap *h, int32_t place)
{
    const uint64_t element = h->key[place];
    for (;;) {
        int32_t child = 2 * place + 1;
        if (child >= h->size)
            break;
        child += child + 1 < h->size && h->key[child + 1] > h->key[child];
        if (h->key[child] < element)
            break;
        h->key[place] = h->key[child];
        place = child;
    }
    h->key[place] = element;
}

static int32_t pop(heap *h)
{
    const uint64_t best = h->key[0];
    h->size -= 1;
    if (h->size > 0) {
        h->key[0] = h->key[h->size];
        sink(h, 0);
    }
    return (int32_t)(UINT32_MAX - (uint32_t)best);
}

static void fill(heap *h, const float *scores, const separable_suppression *settings)
{
    h->size = 0;
    for (int32_t i = 0; i < settings->count; ++i) {
        h->key[h->size] = key_of(scores[i], i);
        h->size += !settings->filtered || scores[i] > settings->threshold;
    }
    for (int32_t i = h->size / 2 - 1; i >= 0; --i)
        sink(h, i);
}

static float least(float a, float b)
{
    return a < b ? a : b;
}

static float greatest(float a, float b)
{
    return a > b ? a : b;
}

/* No expression here both multiplies and adds: fused, they would round otherwise than ONNX Runtime does. */
static box read_box(const float *b, int32_t centred)
{
    box result;
    if (centred) {
        const float half_width = b[2] / 2, half_height = b[3] / 2;
        result = (box){b[0] - half_width, b[1] - half_height, b[0] + half_width, b[1] + half_height, 0};
    } else {
        result = (box){least(b[0], b[2]), least(b[1], b[3]), greatest(b[0], b[2]), greatest(b[1], b[3]), 0};
    }
    const float width = result.right - result.left, height = result.bottom - result.top;
    result.area = width * height;
    return result;
}

static void keep(selection *s, const box *b)
{
    const int32_t i = s->size++;
    s->left[i] = b->left;
    s->top[i] = b->top;
    s->right[i] = b->right;
    s->bottom[i] = b->bottom;
    s->area[i] = b->area;
}

/* Whether a box of the selection covers too much of b, exactly as ONNX Runtime computes it. */
static int overlaps(const selection *s, int32_t i, const box *b, float limit)
{
    const float width = least(s->right[i], b->right) - greatest(s->left[i], b->left);
    const float height = least(s->bottom[i], b->bottom) - greatest(s->top[i], b->top);
    const float common = width * height;
    const float sum = s->area[i] + b->area;
    const float whole = sum - common;
    return width > 0 && height > 0 && common > 0 && s->area[i] > 0 && b->area > 0 && whole > 0 &&
           common / whole > limit;
}

/* Whether that may be so for one of the boxes [begin, end): in vectors, and without the division. */
static int may_overlap(const selection *s, const box *b, float below_limit, int32_t begin, int32_t end)
{
    int found = 0;
    for (int32_t i = begin; i < end; ++i) {
        const float width = least(s->right[i], b->right) - greatest(s->left[i], b->left);
        const float height = least(s->bottom[i], b->bottom) - greatest(s->top[i], b->top);
        const float common = width * height;
        const float sum = s->area[i] + b->area;
        const float whole = sum - common;
        found |= (width > 0) & (height > 0) & (common >= whole * below_limit);
    }
    return found;
}

static int is_covered(const selection *s, const box *b, float limit)
{
    enum { STEP = 16 }; /* boxes that are compared before the first look at the result */
    const float below_limit = limit > 0 ? limit * 0.9999f : limit * 1.0001f;
    for (int32_t begin = 0; begin < s->size; begin += STEP) {
        const int32_t end = s->size - begin > STEP ? begin + STEP : s->size;
        if (!may_overlap(s, b, below_limit, begin, end))
            continue;
        for (int32_t i = begin; i < end; ++i) {
            if (overlaps(s, i, b, limit))
                return 1;
        }
    }
    return 0;
}

static void suppress_class(const float *boxes, const float *scores, float *kept, const separable_suppression *settings,
                           void *scratch)
{
    const int32_t limit = settings->limit;
    heap h = {scratch, 0};
    float *corners = (float *)(h.key + settings->count);
    selection s = {corners, corners + limit, corners + 2 * limit, corners + 3 * limit, corners + 4 * limit, 0};
    memset(kept, 0, sizeof *kept * (size_t)settings->count);
    fill(&h, scores, settings);
    while (h.size > 0 && s.size < limit) {
        const int32_t best = pop(&h);
        const box b = read_box(boxes + 4 * (int64_t)best, settings->centred);
        if (is_covered(&s, &b, settings->overlap))
            continue;
        keep(&s, &b);
        kept[best] = scores[best];
    }
}

void separable_suppress(const void *boxes, const void *scores, void *kept, separable_suppression settings,
                        void *scratch, int32_t begin, int32_t end)
{
    for (int32_t item = begin; item < end; ++item) {
        const int64_t row = (int64_t)item * settings.count;
        const int64_t picture = (int64_t)(item / settings.classes) * settings.count * 4;
        suppress_class((const float *)boxes + picture, (const float *)scores + row, (float *)kept + row, &settings,
                       scratch);
    }
}
