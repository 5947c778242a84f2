/*
 * The instruction-set features a library may need, one a line: SEPARABLE_ISA(bit, name, "text for people").
 *
 * The one source of these names: C includes this file with its own SEPARABLE_ISA, the compiler parses it line by line.
 * A bit never changes its meaning. x86-64 has the bits from 0, arm64 those from 32.
 */

/* x86-64-v2 */
SEPARABLE_ISA(0, sse42, "SSE4.2")
SEPARABLE_ISA(1, popcnt, "POPCNT")

/* x86-64-v3 */
SEPARABLE_ISA(2, avx, "AVX")
SEPARABLE_ISA(3, avx2, "AVX2")
SEPARABLE_ISA(4, fma, "FMA")
SEPARABLE_ISA(5, f16c, "F16C")
SEPARABLE_ISA(6, bmi1, "BMI1")
SEPARABLE_ISA(7, bmi2, "BMI2")
SEPARABLE_ISA(8, lzcnt, "LZCNT")
SEPARABLE_ISA(9, movbe, "MOVBE")

/* x86-64-v4 */
SEPARABLE_ISA(10, avx512f, "AVX-512F")
SEPARABLE_ISA(11, avx512bw, "AVX-512BW")
SEPARABLE_ISA(12, avx512cd, "AVX-512CD")
SEPARABLE_ISA(13, avx512dq, "AVX-512DQ")
SEPARABLE_ISA(14, avx512vl, "AVX-512VL")

/* what newer cores add to that and code generators use unasked */
SEPARABLE_ISA(15, avx512vnni, "AVX-512 VNNI")
SEPARABLE_ISA(16, avx512bf16, "AVX-512 BF16")
SEPARABLE_ISA(17, avx512vbmi, "AVX-512 VBMI")
SEPARABLE_ISA(18, avx512vbmi2, "AVX-512 VBMI2")
SEPARABLE_ISA(19, avx512ifma, "AVX-512 IFMA")
SEPARABLE_ISA(20, avx512bitalg, "AVX-512 BITALG")
SEPARABLE_ISA(21, avx512vpopcntdq, "AVX-512 VPOPCNTDQ")
SEPARABLE_ISA(22, gfni, "GFNI")
SEPARABLE_ISA(23, avxvnni, "AVX-VNNI")

/* Armv8.0-A, and what its cores may leave out */
SEPARABLE_ISA(32, asimd, "Advanced SIMD")
SEPARABLE_ISA(33, aes, "AES and PMULL")
SEPARABLE_ISA(34, sha2, "SHA-1 and SHA-256")
SEPARABLE_ISA(35, crc32, "CRC32")

/* Armv8.1-A to Armv8.3-A */
SEPARABLE_ISA(36, lse, "LSE atomics")
SEPARABLE_ISA(37, rdm, "rounding doubling multiply-add (RDM)")
SEPARABLE_ISA(38, fp16, "half-precision arithmetic (FP16)")
SEPARABLE_ISA(39, rcpc, "RCpc load-acquire")
SEPARABLE_ISA(40, dotprod, "int8 dot product")

/* Armv8.4-A to Armv8.6-A */
SEPARABLE_ISA(41, fhm, "FP16 multiply-add to FP32 (FHM)")
SEPARABLE_ISA(42, bf16, "BFloat16")
SEPARABLE_ISA(43, i8mm, "int8 matrix multiply")
