/* The choice of kernels, on made-up CPUs. */
#define _GNU_SOURCE /* cpu_set_t */

#include "check.h"
#include "isa.h"
#include "variant.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BIT(name) (UINT64_C(1) << SEPARABLE_ISA_##name)

enum { OLD = 0x410fd034, BIG = 0x413fd0b1 };

static const separable_variant variants[] = {
    {.name = "new big", .isa = BIT(asimd) | BIT(dotprod)},
    {.name = "new small", .isa = BIT(asimd) | BIT(dotprod), .in_order = 1},
    {.name = "old big", .isa = BIT(asimd)},
    {.name = "old small", .isa = BIT(asimd), .in_order = 1},
};
static const separable_model model = {
    .name = "net", .target = "all", .variants = variants, .variant_count = sizeof variants / sizeof variants[0]};

static char sysfs[] = "/tmp/separable-sysfs-XXXXXX";

/* CPU 0 of a made-up machine, by what it tells of itself in MIDR_EL1. */
static void build(unsigned long midr)
{
    static const char *const folders[] = {"devices", "system", "cpu", "cpu0", "regs", "identification"};
    char path[200];
    strcpy(path, sysfs);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; ++i) {
        strcat(strcat(path, "/"), folders[i]);
        mkdir(path, 0700);
    }
    FILE *file = fopen(strcat(path, "/midr_el1"), "w");
    CHECK(file && fprintf(file, "0x%016lx\n", midr) > 0 && fclose(file) == 0);
}

static void remove_machine(void)
{
    char command[200];
    snprintf(command, sizeof command, "rm -r %s", sysfs);
    CHECK(system(command) == 0);
}

static void check_choice(const char *wanted, uint64_t available, const char *expected, int32_t code)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    char error[512] = "";
    int32_t status = SEPARABLE_OK;
    const separable_variant *chosen =
        separable_choose_variant(&model, wanted, available, sysfs, &cpus, &status, error, sizeof error);
    CHECK(status == code);
    CHECK(strcmp(chosen ? chosen->name : error, expected) == 0);
}

static void test_best(void)
{
    build(BIG);
    check_choice(NULL, ~UINT64_C(0), "new big", SEPARABLE_OK);
    check_choice(NULL, BIT(asimd) | BIT(fp16), "old big", SEPARABLE_OK);
    build(OLD);
    check_choice(NULL, ~UINT64_C(0), "new small", SEPARABLE_OK);
    check_choice(NULL, BIT(asimd), "old small", SEPARABLE_OK);
}

static void test_wanted(void)
{
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; ++i)
        check_choice(variants[i].name, ~UINT64_C(0), variants[i].name, SEPARABLE_OK);
    check_choice("middle", ~UINT64_C(0), "options.variant is 'middle', net has new big, new small, old big, old small",
                 SEPARABLE_INVALID_ARGUMENT);
    check_choice("new big", BIT(asimd),
                 "net was compiled for new big, but this CPU lacks int8 dot product; compile it for a target this CPU "
                 "supports",
                 SEPARABLE_UNSUPPORTED_CPU);
}

static void test_none(void)
{
    check_choice(NULL, BIT(dotprod),
                 "net was compiled for all, but this CPU lacks Advanced SIMD; compile it for a target this CPU supports",
                 SEPARABLE_UNSUPPORTED_CPU);
}

/* An error that does not fit is cut. */
static void test_long_names(void)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    char error[50];
    int32_t status = SEPARABLE_OK;
    for (size_t size = 1; size < sizeof error; ++size) {
        memset(error, '#', sizeof error);
        CHECK(!separable_choose_variant(&model, "middle", 0, sysfs, &cpus, &status, error, size));
        CHECK(strlen(error) == size - 1 && error[size] == '#');
    }
}

int main(void)
{
    CHECK(mkdtemp(sysfs));
    test_best();
    test_wanted();
    test_none();
    test_long_names();
    remove_machine();
    return EXIT_SUCCESS;
}
