#define _GNU_SOURCE /* cpu_set_t */

#include "variant.h"

#include "cores.h"
#include "isa.h"

#include <stdio.h>
#include <string.h>

static const separable_variant *named(const separable_model *model, const char *name)
{
    for (int32_t i = 0; i < model->variant_count; ++i) {
        if (strcmp(model->variants[i].name, name) == 0)
            return &model->variants[i];
    }
    return NULL;
}

/* The first variant that runs here; of its equals the one for these cores. */
static const separable_variant *suited(const separable_model *model, uint64_t available, const char *sysfs,
                                       const cpu_set_t *cpus)
{
    const separable_variant *found = NULL;
    for (int32_t i = 0; i < model->variant_count; ++i) {
        const separable_variant *variant = &model->variants[i];
        if (!found && !(variant->isa & ~available))
            found = variant;
        else if (found && variant->isa == found->isa && variant->in_order != found->in_order)
            return separable_in_order(sysfs, cpus) == found->in_order ? found : variant;
    }
    return found;
}

const separable_variant *separable_choose_variant(const separable_model *model, const char *wanted, uint64_t available,
                                                  const char *sysfs, const cpu_set_t *cpus, int32_t *status,
                                                  char *error, size_t size)
{
    const separable_variant *variant = wanted ? named(model, wanted) : suited(model, available, sysfs, cpus);
    if (wanted && !variant) {
        int used = snprintf(error, size, "options.variant is '%s', %s has", wanted, model->name);
        for (int32_t i = 0; i < model->variant_count && used >= 0 && (size_t)used < size; ++i)
            used += snprintf(error + used, size - (size_t)used, "%s %s", i ? "," : "", model->variants[i].name);
        *status = SEPARABLE_INVALID_ARGUMENT;
        return NULL;
    }
    /* Where none runs, what is missing for the last one, which needs least. */
    const uint64_t isa = variant ? variant->isa : model->variants[model->variant_count - 1].isa;
    if (!(isa & ~available))
        return variant;
    char names[256];
    separable_isa_text(isa & ~available, names, sizeof names);
    snprintf(error, size, "%s was compiled for %s, but this CPU lacks %s; compile it for a target this CPU supports",
             model->name, wanted ? wanted : model->target, names);
    *status = SEPARABLE_UNSUPPORTED_CPU;
    return NULL;
}
