/* Does this CPU have the instructions that a library was compiled for? */
#ifndef SEPARABLE_ISA_H
#define SEPARABLE_ISA_H

#include <stddef.h>
#include <stdint.h>

/* The bits by name: SEPARABLE_ISA_avx2, ... A set of features is a mask with the bits 1 << SEPARABLE_ISA_... */
enum {
#define SEPARABLE_ISA(bit, name, text, where) SEPARABLE_ISA_##name = bit,
#include "isa_bits.h"
#undef SEPARABLE_ISA
};

/* The set of features that this CPU has and its operating system supports. */
uint64_t separable_isa_available(void);

/* Writes the features of a set as "AVX2, FMA"; cuts what does not fit into `size` bytes, terminator included. */
void separable_isa_text(uint64_t mask, char *text, size_t size);

#endif
