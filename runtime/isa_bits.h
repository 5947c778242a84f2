/*
 * The instruction-set features a library may need, one a line: SEPARABLE_ISA(bit, name, "text for people", where).
 *
 * The one source of these: C includes this file with its own SEPARABLE_ISA, the compiler parses it line by line. A bit
 * never changes its meaning. x86-64 has the bits from 0, arm64 those from 32, armv7 those from 56. `where` tells how to
 * ask the CPU for the feature: CPUID(leaf, subleaf, register, bit, the register state that the operating system must
 * save for it), or HWCAP(bits of AT_HWCAP, bits of AT_HWCAP2), defined by the Linux kernel; old C libraries lack names for
 * newer ones.
 */

/* x86-64-v2 */
SEPARABLE_ISA(0, sse42, "SSE4.2", CPUID(1, 0, ECX, 20, NONE))
SEPARABLE_ISA(1, popcnt, "POPCNT", CPUID(1, 0, ECX, 23, NONE))

/* x86-64-v3 */
SEPARABLE_ISA(2, avx, "AVX", CPUID(1, 0, ECX, 28, AVX))
SEPARABLE_ISA(3, avx2, "AVX2", CPUID(7, 0, EBX, 5, AVX))
SEPARABLE_ISA(4, fma, "FMA", CPUID(1, 0, ECX, 12, AVX))
SEPARABLE_ISA(5, f16c, "F16C", CPUID(1, 0, ECX, 29, AVX))
SEPARABLE_ISA(6, bmi1, "BMI1", CPUID(7, 0, EBX, 3, NONE))
SEPARABLE_ISA(7, bmi2, "BMI2", CPUID(7, 0, EBX, 8, NONE))
SEPARABLE_ISA(8, lzcnt, "LZCNT", CPUID(0x80000001, 0, ECX, 5, NONE))
SEPARABLE_ISA(9, movbe, "MOVBE", CPUID(1, 0, ECX, 22, NONE))

/* x86-64-v4 */
SEPARABLE_ISA(10, avx512f, "AVX-512F", CPUID(7, 0, EBX, 16, AVX512))
SEPARABLE_ISA(11, avx512bw, "AVX-512BW", CPUID(7, 0, EBX, 30, AVX512))
SEPARABLE_ISA(12, avx512cd, "AVX-512CD", CPUID(7, 0, EBX, 28, AVX512))
SEPARABLE_ISA(13, avx512dq, "AVX-512DQ", CPUID(7, 0, EBX, 17, AVX512))
SEPARABLE_ISA(14, avx512vl, "AVX-512VL", CPUID(7, 0, EBX, 31, AVX512))

/* what newer cores add to that and code generators use unasked */
SEPARABLE_ISA(15, avx512vnni, "AVX-512 VNNI", CPUID(7, 0, ECX, 11, AVX512))
SEPARABLE_ISA(16, avx512bf16, "AVX-512 BF16", CPUID(7, 1, EAX, 5, AVX512))
SEPARABLE_ISA(17, avx512vbmi, "AVX-512 VBMI", CPUID(7, 0, ECX, 1, AVX512))
SEPARABLE_ISA(18, avx512vbmi2, "AVX-512 VBMI2", CPUID(7, 0, ECX, 6, AVX512))
SEPARABLE_ISA(19, avx512ifma, "AVX-512 IFMA", CPUID(7, 0, EBX, 21, AVX512))
SEPARABLE_ISA(20, avx512bitalg, "AVX-512 BITALG", CPUID(7, 0, ECX, 12, AVX512))
SEPARABLE_ISA(21, avx512vpopcntdq, "AVX-512 VPOPCNTDQ", CPUID(7, 0, ECX, 14, AVX512))
SEPARABLE_ISA(22, gfni, "GFNI", CPUID(7, 0, ECX, 8, NONE))
SEPARABLE_ISA(23, avxvnni, "AVX-VNNI", CPUID(7, 1, EAX, 4, AVX))

/* Armv8.0-A, and what its cores may leave out */
SEPARABLE_ISA(32, asimd, "Advanced SIMD", HWCAP(1 << 1, 0))
SEPARABLE_ISA(33, aes, "AES and PMULL", HWCAP(1 << 3 | 1 << 4, 0))
SEPARABLE_ISA(34, sha2, "SHA-1 and SHA-256", HWCAP(1 << 5 | 1 << 6, 0))
SEPARABLE_ISA(35, crc32, "CRC32", HWCAP(1 << 7, 0))

/* Armv8.1-A to Armv8.3-A */
SEPARABLE_ISA(36, lse, "LSE atomics", HWCAP(1 << 8, 0))
SEPARABLE_ISA(37, rdm, "rounding doubling multiply-add (RDM)", HWCAP(1 << 12, 0))
SEPARABLE_ISA(38, fp16, "half-precision arithmetic (FP16)", HWCAP(1 << 9 | 1 << 10, 0))
SEPARABLE_ISA(39, rcpc, "RCpc load-acquire", HWCAP(1 << 15, 0))
SEPARABLE_ISA(40, dotprod, "int8 dot product", HWCAP(1 << 20, 0))

/* Armv8.4-A to Armv8.6-A */
SEPARABLE_ISA(41, fhm, "FP16 multiply-add to FP32 (FHM)", HWCAP(1 << 23, 0))
SEPARABLE_ISA(42, bf16, "BFloat16", HWCAP(0, 1 << 14))
SEPARABLE_ISA(43, i8mm, "int8 matrix multiply", HWCAP(0, 1 << 13))

/* ARMv7-A, and its cores since Cortex-A7 and A15 */
SEPARABLE_ISA(56, neon, "NEON", HWCAP(1 << 12, 0))
SEPARABLE_ISA(57, vfp4, "VFPv4", HWCAP(1 << 16, 0))
SEPARABLE_ISA(58, idiv, "integer division", HWCAP(1 << 17, 0))
