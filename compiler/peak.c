/* Independent chains of multiply-adds on vectors that never leave their registers: what a core can do at most. */
#include <stdint.h>

typedef float vector __attribute__((vector_size(VECTOR_BYTES)));

float separable_peak(int64_t rounds, float scale, float shift)
{
    vector chains[CHAINS];
    for (int i = 0; i < CHAINS; ++i)
        chains[i] = (vector){0} + (float)i;
    for (int64_t round = 0; round < rounds; ++round)
#pragma clang loop unroll(full)
        for (int i = 0; i < CHAINS; ++i)
            chains[i] = chains[i] * scale + shift;
    vector sum = {0};
    for (int i = 0; i < CHAINS; ++i)
        sum += chains[i];
    return sum[0];
}
