/*
 * A plugin of qemu-aarch64 that counts the instructions a program executes between two marks, by kind, and writes them
 * to a file as one JSON object:
 *
 *   {"total": 177970000, "vector_fma": 142830000, ...,
 *    "hottest": {"share": 0.3, "instructions": 219, "vector_fma": 192}}
 *
 *   qemu-aarch64 -plugin counter.so,out=FILE program
 *
 * The marks are the system calls getpriority(MARK, 0), which starts, and getpriority(MARK, 1), which ends. qemu
 * translates straight pieces of code; each has a number of executions, which the translated code itself increments.
 * The hottest piece is joined from those that follow each other and ran equally often, as qemu cuts long ones.
 *
 * qemu's header comes with its sources only: the few functions used are declared here, as in version
 * 1 of the interface.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info {
    const char *target_name;
    struct {
        int min, cur;
    } version;
} qemu_info_t;
enum { INLINE_ADD_U64 = 0 };

typedef void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *piece);
typedef void on_syscall(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                        uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, on_translation *callback);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id, on_syscall *callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *piece, int operation, void *cell, uint64_t value);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *piece);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *piece);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *piece, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum { MARK = 0x5e9a, GETPRIORITY = 141 };
enum kind { VECTOR_FMA, VECTOR_LOAD, VECTOR_STORE, PREFETCH, OTHER, KINDS };
static const char *const kind_names[KINDS] = {"vector_fma", "vector_loads", "vector_stores", "prefetches", "others"};

struct piece {
    uint64_t address, executions;
    uint32_t instructions, of_kind[KINDS];
    struct piece *next;
};
static struct piece *pieces;
static const char *output;

/* Bits of an instruction that must have a value. */
static bool matches(uint32_t code, uint32_t mask, uint32_t value)
{
    return (code & mask) == value;
}

static bool is_vector_fma(uint32_t code)
{
    return matches(code, 0xbf20fc00, 0x0e20cc00)     /* fmla, fmls: float32, float64 */
           || matches(code, 0xbf60fc00, 0x0e400c00)  /* the same of float16 */
           || matches(code, 0xbf80b400, 0x0f801000)  /* by element */
           || matches(code, 0xbfc0b400, 0x0f001000); /* by element, float16 */
}

static enum kind kind_of(uint32_t code)
{
    if (is_vector_fma(code))
        return VECTOR_FMA;
    if (!matches(code, 0x0a000000, 0x08000000)) /* neither a load nor a store */
        return OTHER;
    if (matches(code, 0xffc00000, 0xf9800000) || matches(code, 0xffc00000, 0xf8800000))
        return PREFETCH;
    if (!(code & 0x04000000)) /* of general registers */
        return OTHER;
    const bool literal = matches(code, 0x3b000000, 0x18000000);
    return literal || code & 0x00400000 ? VECTOR_LOAD : VECTOR_STORE;
}

static void add_piece(qemu_plugin_id_t id, struct qemu_plugin_tb *translated)
{
    (void)id;
    struct piece *piece = calloc(1, sizeof *piece);
    if (!piece)
        abort();
    piece->address = qemu_plugin_tb_vaddr(translated);
    piece->instructions = (uint32_t)qemu_plugin_tb_n_insns(translated);
    for (uint32_t i = 0; i < piece->instructions; ++i) {
        uint32_t code;
        memcpy(&code, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(translated, i)), sizeof code);
        ++piece->of_kind[kind_of(code)];
    }
    piece->next = __atomic_load_n(&pieces, __ATOMIC_ACQUIRE);
    while (!__atomic_compare_exchange_n(&pieces, &piece->next, piece, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
    qemu_plugin_register_vcpu_tb_exec_inline(translated, INLINE_ADD_U64, &piece->executions, 1);
}

static int by_address(const void *left, const void *right)
{
    const uint64_t a = (*(struct piece *const *)left)->address, b = (*(struct piece *const *)right)->address;
    return (a > b) - (a < b);
}

/* The hottest straight code: pieces that follow each other and ran equally often. */
static struct piece hottest_code(void)
{
    size_t count = 0;
    for (const struct piece *p = pieces; p; p = p->next)
        count += p->executions != 0;
    struct piece **sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted)
        abort();
    count = 0;
    for (struct piece *p = pieces; p; p = p->next)
        if (p->executions)
            sorted[count++] = p;
    qsort(sorted, count, sizeof *sorted, by_address);

    struct piece hottest = {0}, joined = {0};
    for (size_t i = 0; i < count; ++i) {
        const struct piece *p = sorted[i];
        const bool follows = p->address == joined.address + 4 * joined.instructions;
        if (follows && p->executions == joined.executions) {
            joined.instructions += p->instructions;
            for (int kind = 0; kind < KINDS; ++kind)
                joined.of_kind[kind] += p->of_kind[kind];
        } else {
            joined = *p;
        }
        if (joined.executions * joined.instructions > hottest.executions * hottest.instructions)
            hottest = joined;
    }
    free(sorted);
    return hottest;
}

static void report(void)
{
    uint64_t total = 0, of_kind[KINDS] = {0};
    for (const struct piece *p = pieces; p; p = p->next) {
        total += p->executions * p->instructions;
        for (int kind = 0; kind < KINDS; ++kind)
            of_kind[kind] += p->executions * p->of_kind[kind];
    }
    const struct piece hottest = hottest_code();
    FILE *file = fopen(output, "w");
    if (!file) {
        perror(output);
        abort();
    }
    fprintf(file, "{\"total\": %" PRIu64, total);
    for (int kind = 0; kind < KINDS; ++kind)
        fprintf(file, ", \"%s\": %" PRIu64, kind_names[kind], of_kind[kind]);
    fprintf(file, ", \"hottest\": {\"share\": %.4f, \"instructions\": %" PRIu32 ", \"vector_fma\": %" PRIu32 "}}\n",
            (double)(hottest.executions * hottest.instructions) / (double)(total ? total : 1), hottest.instructions,
            hottest.of_kind[VECTOR_FMA]);
    fclose(file);
}

static void mark(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t which, uint64_t end, uint64_t a3,
                 uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)cpu, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != GETPRIORITY || which != MARK)
        return;
    if (end)
        report();
    else
        for (struct piece *p = pieces; p; p = p->next)
            p->executions = 0;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int count, char *options[])
{
    if (strcmp(info->target_name, "aarch64") != 0 || count != 1 || strncmp(options[0], "out=", 4) != 0) {
        fprintf(stderr, "counter: for aarch64 programs only, with the option out=FILE\n");
        return -1;
    }
    output = strdup(options[0] + 4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, add_piece);
    qemu_plugin_register_vcpu_syscall_cb(id, mark);
    return 0;
}
