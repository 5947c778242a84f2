/* Non-maximum suppression of boxes, with a result of a fixed shape. */
#ifndef SEPARABLE_OPS_SUPPRESS_H
#define SEPARABLE_OPS_SUPPRESS_H

#include <stdint.h>

typedef struct separable_suppression {
    int32_t classes;
    int32_t count;     /* boxes of a picture */
    int32_t limit;     /* most boxes that are kept of a class, at most count */
    int32_t centred;   /* whether a box is (x, y, width, height) with its centre first, else two opposite corners */
    int32_t filtered;  /* whether only scores above the threshold take part */
    float threshold;
    float overlap;     /* intersection over union above which the box of the lower score goes */
} separable_suppression;

/* Bytes of scratch for one class: a heap, and corners and area of each box that is kept. */
#define SEPARABLE_SUPPRESS_SCRATCH(count, limit) (8 * (int64_t)(count) + 20 * (int64_t)(limit))

/*
 * The scores [pictures][classes][count] with zeros for all boxes that were suppressed, for the items begin to end, each
 * a class of a picture; boxes [pictures][count][4]. Boxes go by descending score, of equal scores the lower index first.
 * Which are kept is what ONNX's NonMaxSuppression selects.
 */
void separable_suppress(const void *boxes, const void *scores, void *kept, separable_suppression settings,
                        void *scratch, int32_t begin, int32_t end);

#endif
