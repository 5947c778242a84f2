/* Does this CPU have the instructions that a library was compiled for? */
#ifndef SEPARABLE_ISA_H
#define SEPARABLE_ISA_H

#include <stddef.h>
#include <stdint.h>

/* One mask per line of isa_bits.h: SEPARABLE_ISA_avx2, ... */
#define SEPARABLE_ISA(bit, name, text) static const uint64_t SEPARABLE_ISA_##name = UINT64_C(1) << bit;
#include "isa_bits.h"
#undef SEPARABLE_ISA

/* The features that this CPU has and its operating system supports. */
uint64_t separable_isa_available(void);

/* Writes the features of `mask` as "AVX2, FMA"; cuts what does not fit into `size` bytes, terminator included. */
void separable_isa_text(uint64_t mask, char *text, size_t size);

#endif
