/* The ISA guard: agrees with the compiler's own detection, and names what it finds. */
#include "check.h"
#include "isa.h"

#include <stdbool.h>
#include <string.h>

static bool available(int feature)
{
    return separable_isa_available() >> feature & 1;
}

static void test_detection(void)
{
#if defined(__x86_64__)
    CHECK(available(SEPARABLE_ISA_sse42) == !!__builtin_cpu_supports("sse4.2"));
    CHECK(available(SEPARABLE_ISA_popcnt) == !!__builtin_cpu_supports("popcnt"));
    CHECK(available(SEPARABLE_ISA_avx) == !!__builtin_cpu_supports("avx"));
    CHECK(available(SEPARABLE_ISA_avx2) == !!__builtin_cpu_supports("avx2"));
    CHECK(available(SEPARABLE_ISA_fma) == !!__builtin_cpu_supports("fma"));
    CHECK(available(SEPARABLE_ISA_bmi1) == !!__builtin_cpu_supports("bmi"));
    CHECK(available(SEPARABLE_ISA_bmi2) == !!__builtin_cpu_supports("bmi2"));
    CHECK(available(SEPARABLE_ISA_avx512f) == !!__builtin_cpu_supports("avx512f"));
    CHECK(available(SEPARABLE_ISA_avx512bw) == !!__builtin_cpu_supports("avx512bw"));
    CHECK(available(SEPARABLE_ISA_avx512cd) == !!__builtin_cpu_supports("avx512cd"));
    CHECK(available(SEPARABLE_ISA_avx512dq) == !!__builtin_cpu_supports("avx512dq"));
    CHECK(available(SEPARABLE_ISA_avx512vl) == !!__builtin_cpu_supports("avx512vl"));
    CHECK(available(SEPARABLE_ISA_avx512vnni) == !!__builtin_cpu_supports("avx512vnni"));
    CHECK(available(SEPARABLE_ISA_avx512vbmi2) == !!__builtin_cpu_supports("avx512vbmi2"));
    CHECK(!available(SEPARABLE_ISA_asimd));
    CHECK(!available(SEPARABLE_ISA_neon));
#elif defined(__aarch64__)
    CHECK(available(SEPARABLE_ISA_asimd));
    CHECK(!available(SEPARABLE_ISA_sse42));
    CHECK(!available(SEPARABLE_ISA_neon));
#else
    CHECK(available(SEPARABLE_ISA_neon));
    CHECK(!available(SEPARABLE_ISA_sse42));
    CHECK(!available(SEPARABLE_ISA_asimd));
#endif
}

static void test_text(void)
{
    const uint64_t mask = UINT64_C(1) << SEPARABLE_ISA_avx2 | UINT64_C(1) << SEPARABLE_ISA_asimd;
    char text[64];
    separable_isa_text(mask, text, sizeof text);
    CHECK(strcmp(text, "AVX2, Advanced SIMD") == 0);
    separable_isa_text(0, text, sizeof text);
    CHECK(strcmp(text, "") == 0);
    separable_isa_text(UINT64_C(1) << 63, text, sizeof text);
    CHECK(strcmp(text, "a feature of another version") == 0);

    memset(text, '#', sizeof text);
    separable_isa_text(~UINT64_C(0), text, 8);
    CHECK(strcmp(text, "SSE4.2,") == 0);
    CHECK(text[8] == '#');
}

int main(void)
{
    test_detection();
    test_text();
    return EXIT_SUCCESS;
}
