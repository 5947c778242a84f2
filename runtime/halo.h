/* Zeroing the padding around activations. */
#ifndef SEPARABLE_HALO_H
#define SEPARABLE_HALO_H

#include "model.h"

/* Zeroes the border of the blocks [begin, end) of one activation in the arena. */
void separable_zero_halo(unsigned char *arena, const separable_halo *halo, int32_t begin, int32_t end);

#endif
