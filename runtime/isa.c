#include "isa.h"

#include <stdio.h>

#if defined(__x86_64__)

enum { EAX, EBX, ECX, EDX };

/* Register state that the operating system must save before a feature may be used: bits of XCR0. */
enum { XCR0_NONE = 0, XCR0_AVX = 0x06, XCR0_AVX512 = 0xe6 };

static const struct {
    uint32_t leaf, subleaf;
    uint8_t reg, bit, state;
} features[64] = {
#define SEPARABLE_ISA(bit, name, text, where) [bit] = where,
#define CPUID(leaf, subleaf, reg, bit, state) {leaf, subleaf, reg, bit, XCR0_##state}
#define HWCAP(low, high) {0}
#include "isa_bits.h"
#undef SEPARABLE_ISA
};

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t reg[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(reg[EAX]), "=b"(reg[EBX]), "=c"(reg[ECX]), "=d"(reg[EDX])
                     : "a"(leaf), "c"(subleaf));
}

/* Like cpuid, but zeros for a leaf that this CPU does not know (the plain instruction answers with another leaf). */
static void known_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t reg[4])
{
    cpuid(leaf & 0x80000000u, 0, reg);
    if (reg[EAX] >= leaf)
        cpuid(leaf, subleaf, reg);
    else
        reg[EAX] = reg[EBX] = reg[ECX] = reg[EDX] = 0;
}

static uint32_t enabled_state(void)
{
    const uint32_t osxsave = UINT32_C(1) << 27;
    uint32_t reg[4];
    known_cpuid(1, 0, reg);
    if (!(reg[ECX] & osxsave))
        return XCR0_NONE;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

uint64_t separable_isa_available(void)
{
    const uint32_t enabled = enabled_state();
    uint64_t available = 0;
    uint32_t leaf = 0, subleaf = 0, reg[4] = {0};
    for (int i = 0; i < 64; ++i) {
        /* Neighbours share a leaf, and a virtual machine may take 10 us to answer: 1 ms for all bits one by one. */
        if (features[i].leaf && (features[i].leaf != leaf || features[i].subleaf != subleaf))
            known_cpuid(leaf = features[i].leaf, subleaf = features[i].subleaf, reg);
        if (features[i].leaf && (reg[features[i].reg] >> features[i].bit & 1) &&
            (enabled & features[i].state) == features[i].state)
            available |= UINT64_C(1) << i;
    }
    return available;
}

#elif defined(__aarch64__) || defined(__arm__)

#include <sys/auxv.h>

/* The bits of this architecture; the same bit of AT_HWCAP means something else on the other. */
#if defined(__aarch64__)
enum { FIRST_BIT = 32, END_BIT = 56 };
#else
enum { FIRST_BIT = 56, END_BIT = 64 };
#endif

static const struct {
    uint64_t hwcap, hwcap2;
} features[64] = {
#define SEPARABLE_ISA(bit, name, text, where) [bit] = where,
#define CPUID(leaf, subleaf, reg, bit, state) {0}
#define HWCAP(low, high) {low, high}
#include "isa_bits.h"
#undef SEPARABLE_ISA
};

uint64_t separable_isa_available(void)
{
    const uint64_t hwcap = getauxval(AT_HWCAP), hwcap2 = getauxval(AT_HWCAP2);
    uint64_t available = 0;
    for (int i = FIRST_BIT; i < END_BIT; ++i) {
        const uint64_t low = features[i].hwcap, high = features[i].hwcap2;
        if ((low | high) && (hwcap & low) == low && (hwcap2 & high) == high)
            available |= UINT64_C(1) << i;
    }
    return available;
}

#else
#error "the runtime knows the features of x86-64, arm64 and armv7 only"
#endif

void separable_isa_text(uint64_t mask, char *text, size_t size)
{
    static const char *const names[64] = {
#define SEPARABLE_ISA(bit, name, text, where) [bit] = text,
#include "isa_bits.h"
#undef SEPARABLE_ISA
    };
    size_t used = 0;
    text[0] = '\0';
    for (int bit = 0; bit < 64 && used < size; ++bit) {
        if (mask >> bit & 1)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                                     names[bit] ? names[bit] : "a feature of another version");
    }
}
