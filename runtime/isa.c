#include "isa.h"

#include <stdio.h>

#if defined(__x86_64__)

enum { EAX, EBX, ECX, EDX };

/* Register state that the operating system must save before a feature may be used: bits of XCR0. */
enum { XCR0_NONE = 0, XCR0_AVX = 0x06, XCR0_AVX512 = 0xe6 };

static const struct {
    uint8_t feature;
    uint32_t leaf, subleaf;
    uint8_t reg, bit, state;
} features[] = {
    {SEPARABLE_ISA_sse42, 1, 0, ECX, 20, XCR0_NONE},
    {SEPARABLE_ISA_popcnt, 1, 0, ECX, 23, XCR0_NONE},
    {SEPARABLE_ISA_avx, 1, 0, ECX, 28, XCR0_AVX},
    {SEPARABLE_ISA_avx2, 7, 0, EBX, 5, XCR0_AVX},
    {SEPARABLE_ISA_fma, 1, 0, ECX, 12, XCR0_AVX},
    {SEPARABLE_ISA_f16c, 1, 0, ECX, 29, XCR0_AVX},
    {SEPARABLE_ISA_bmi1, 7, 0, EBX, 3, XCR0_NONE},
    {SEPARABLE_ISA_bmi2, 7, 0, EBX, 8, XCR0_NONE},
    {SEPARABLE_ISA_lzcnt, 0x80000001, 0, ECX, 5, XCR0_NONE},
    {SEPARABLE_ISA_movbe, 1, 0, ECX, 22, XCR0_NONE},
    {SEPARABLE_ISA_avx512f, 7, 0, EBX, 16, XCR0_AVX512},
    {SEPARABLE_ISA_avx512bw, 7, 0, EBX, 30, XCR0_AVX512},
    {SEPARABLE_ISA_avx512cd, 7, 0, EBX, 28, XCR0_AVX512},
    {SEPARABLE_ISA_avx512dq, 7, 0, EBX, 17, XCR0_AVX512},
    {SEPARABLE_ISA_avx512vl, 7, 0, EBX, 31, XCR0_AVX512},
    {SEPARABLE_ISA_avx512vnni, 7, 0, ECX, 11, XCR0_AVX512},
    {SEPARABLE_ISA_avx512bf16, 7, 1, EAX, 5, XCR0_AVX512},
    {SEPARABLE_ISA_avx512vbmi, 7, 0, ECX, 1, XCR0_AVX512},
    {SEPARABLE_ISA_avx512vbmi2, 7, 0, ECX, 6, XCR0_AVX512},
    {SEPARABLE_ISA_avx512ifma, 7, 0, EBX, 21, XCR0_AVX512},
    {SEPARABLE_ISA_avx512bitalg, 7, 0, ECX, 12, XCR0_AVX512},
    {SEPARABLE_ISA_avx512vpopcntdq, 7, 0, ECX, 14, XCR0_AVX512},
    {SEPARABLE_ISA_gfni, 7, 0, ECX, 8, XCR0_NONE},
    {SEPARABLE_ISA_avxvnni, 7, 1, EAX, 4, XCR0_AVX},
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
    for (size_t i = 0; i < sizeof features / sizeof features[0]; ++i) {
        uint32_t reg[4];
        known_cpuid(features[i].leaf, features[i].subleaf, reg);
        if ((reg[features[i].reg] >> features[i].bit & 1) && (enabled & features[i].state) == features[i].state)
            available |= UINT64_C(1) << features[i].feature;
    }
    return available;
}

#elif defined(__aarch64__)

#include <sys/auxv.h>

/* Bits of AT_HWCAP and AT_HWCAP2 as the Linux kernel defines them; old C libraries lack names for the newer ones. */
static const struct {
    uint8_t feature;
    uint64_t hwcap, hwcap2;
} features[] = {
    {SEPARABLE_ISA_asimd, 1 << 1, 0},
    {SEPARABLE_ISA_aes, 1 << 3 | 1 << 4, 0},
    {SEPARABLE_ISA_sha2, 1 << 5 | 1 << 6, 0},
    {SEPARABLE_ISA_crc32, 1 << 7, 0},
    {SEPARABLE_ISA_lse, 1 << 8, 0},
    {SEPARABLE_ISA_rdm, 1 << 12, 0},
    {SEPARABLE_ISA_fp16, 1 << 9 | 1 << 10, 0},
    {SEPARABLE_ISA_rcpc, 1 << 15, 0},
    {SEPARABLE_ISA_dotprod, 1 << 20, 0},
    {SEPARABLE_ISA_fhm, 1 << 23, 0},
    {SEPARABLE_ISA_bf16, 0, 1 << 14},
    {SEPARABLE_ISA_i8mm, 0, 1 << 13},
};

uint64_t separable_isa_available(void)
{
    const uint64_t hwcap = getauxval(AT_HWCAP), hwcap2 = getauxval(AT_HWCAP2);
    uint64_t available = 0;
    for (size_t i = 0; i < sizeof features / sizeof features[0]; ++i) {
        if ((hwcap & features[i].hwcap) == features[i].hwcap && (hwcap2 & features[i].hwcap2) == features[i].hwcap2)
            available |= UINT64_C(1) << features[i].feature;
    }
    return available;
}

#else
#error "the runtime knows the features of x86-64 and arm64 only"
#endif

void separable_isa_text(uint64_t mask, char *text, size_t size)
{
    static const char *const names[64] = {
#define SEPARABLE_ISA(bit, name, text) [bit] = text,
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
