#define _GNU_SOURCE /* sched_getaffinity, cpu_set_t */

#include "describe.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "wire.h"

enum { MAX_TEXT = 16 << 10, MAX_ZONES = 64 };

const char *describe_arch(void)
{
#if defined(__aarch64__)
    return "aarch64";
#elif defined(__arm__)
    return "armv7";
#elif defined(__x86_64__)
    return "x86_64";
#else
    return "unknown";
#endif
}

/* The beginning of a file without the white space at its end; empty if there is no such file. Returns its length. */
static size_t read_text(const char *path, char *text, size_t size)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    for (ssize_t got; file >= 0 && length + 1 < size && (got = read(file, text + length, size - 1 - length)) > 0;)
        length += (size_t)got;
    if (file >= 0)
        close(file);
    while (length > 0 && (unsigned char)text[length - 1] <= ' ')
        --length;
    text[length] = '\0';
    return length;
}

static void put_string(agent_buffer *json, const char *key, const char *text)
{
    buffer_printf(json, ", \"%s\": ", key);
    buffer_json(json, text, strlen(text));
}

/* Appends a file's text or number under a key; nothing if there is no such file. */
static void put_file(agent_buffer *json, const char *key, bool number, const char *path)
{
    char text[256];
    if (read_text(path, text, sizeof text) == 0)
        return;
    char *end;
    const long long value = strtoll(text, &end, 10);
    if (!number)
        put_string(json, key, text);
    else if (*end == '\0')
        buffer_printf(json, ", \"%s\": %lld", key, value);
}

/* The value of the first line of /proc/cpuinfo with one of these names. */
static bool find_field(const char *cpuinfo, const char *name, char *value, size_t size)
{
    const size_t length = strlen(name);
    for (const char *line = cpuinfo; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        const char *end = strchr(line, '\n'), *colon = strchr(line, ':');
        if (strncmp(line, name, length) != 0 || !colon || (end && colon > end) || strcspn(line + length, "\t :") != 0)
            continue;
        const char *begin = colon + 1 + strspn(colon + 1, " \t");
        const size_t found = end ? (end > begin ? (size_t)(end - begin) : 0) : strlen(begin);
        snprintf(value, size, "%.*s", (int)(found < size ? found : size - 1), begin);
        return true;
    }
    return false;
}

/* The name of the device: a phone's property, a board's device tree, the CPU's own name. */
static void put_model(agent_buffer *json, const char *cpuinfo)
{
    char model[256] = "", maker[100] = "";
    FILE *properties = access("/system/bin/getprop", X_OK) == 0
        ? popen("/system/bin/getprop ro.product.manufacturer; /system/bin/getprop ro.product.model", "re") : NULL;
    if (properties) {
        if (fgets(maker, sizeof maker, properties) && fgets(model, 128, properties)) {
            char both[sizeof model];
            maker[strcspn(maker, "\n")] = model[strcspn(model, "\n")] = '\0';
            snprintf(both, sizeof both, "%s %.127s", maker, model);
            memcpy(model, both, sizeof model);
        }
        pclose(properties);
    }
    if (!model[0] && read_text("/proc/device-tree/model", model, sizeof model) == 0 &&
        !find_field(cpuinfo, "model name", model, sizeof model) && !find_field(cpuinfo, "Hardware", model, sizeof model))
        snprintf(model, sizeof model, "unknown");
    put_string(json, "model", model);
}

static void put_isa(agent_buffer *json, const char *cpuinfo)
{
    static char isa[MAX_TEXT];
    if (find_field(cpuinfo, "Features", isa, sizeof isa) || find_field(cpuinfo, "flags", isa, sizeof isa))
        put_string(json, "isa", isa);
    buffer_printf(json, ", \"hwcap\": \"%lx\", \"hwcap2\": \"%lx\"", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
}

static void put_cpus(agent_buffer *json)
{
    static const struct {
        const char *key;
        bool number;
        const char *path;
    } facts[] = {
        {"max_khz", true, "cpufreq/cpuinfo_max_freq"},
        {"khz", true, "cpufreq/scaling_cur_freq"},
        {"governor", false, "cpufreq/scaling_governor"},
        {"capacity", true, "cpu_capacity"},
        {"midr", false, "regs/identification/midr_el1"},
    };
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    bool first = true;
    buffer_text(json, ", \"cpus\": [");
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        char path[160];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d", cpu);
        if (!CPU_ISSET((size_t)cpu, &allowed) && access(path, F_OK) != 0)
            continue;
        buffer_printf(json, "%s{\"cpu\": %d, \"allowed\": %s", first ? "" : ", ", cpu,
                      CPU_ISSET((size_t)cpu, &allowed) ? "true" : "false");
        for (size_t i = 0; i < sizeof facts / sizeof facts[0]; ++i) {
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, facts[i].path);
            put_file(json, facts[i].key, facts[i].number, path);
        }
        buffer_text(json, "}");
        first = false;
    }
    buffer_text(json, "]");
}

static void put_temperatures(agent_buffer *json)
{
    bool first = true;
    buffer_text(json, ", \"temperatures\": [");
    for (int zone = 0; zone < MAX_ZONES; ++zone) {
        char path[80], type[80], text[32];
        snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", zone);
        if (read_text(path, text, sizeof text) == 0)
            continue;
        snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/type", zone);
        read_text(path, type, sizeof type);
        buffer_printf(json, "%s{\"zone\": ", first ? "" : ", ");
        buffer_json(json, type, strlen(type));
        buffer_printf(json, ", \"celsius\": %.1f}", strtod(text, NULL) / 1000);
        first = false;
    }
    buffer_text(json, "]");
}

static void put_memory(agent_buffer *json)
{
    static char meminfo[MAX_TEXT];
    static const char *const names[][2] = {{"MemTotal", "memory_bytes"}, {"MemAvailable", "memory_free_bytes"}};
    char value[64];
    read_text("/proc/meminfo", meminfo, sizeof meminfo);
    for (size_t i = 0; i < 2; ++i) {
        if (find_field(meminfo, names[i][0], value, sizeof value))
            buffer_printf(json, ", \"%s\": %lld", names[i][1], 1024 * strtoll(value, NULL, 10));
    }
    struct statvfs disk;
    if (statvfs(".", &disk) == 0)
        buffer_printf(json, ", \"disk_free_bytes\": %llu", (unsigned long long)disk.f_bavail * disk.f_frsize);
}

void describe_device(agent_buffer *json)
{
    static char cpuinfo[MAX_TEXT];
    struct utsname system = {0};
    uname(&system);
    read_text("/proc/cpuinfo", cpuinfo, sizeof cpuinfo);
    buffer_printf(json, "{\"agent\": \"%s\", \"protocol\": \"%s\", \"arch\": \"%s\"", SEPARABLE_AGENT_VERSION,
                  WIRE_VERSION, describe_arch());
    put_string(json, "machine", system.machine);
    put_string(json, "kernel", system.release);
    put_model(json, cpuinfo);
    put_isa(json, cpuinfo);
    put_cpus(json);
    put_temperatures(json);
    put_memory(json);
    buffer_text(json, "}");
}
