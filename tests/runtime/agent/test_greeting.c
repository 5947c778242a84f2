/* What clients say first, right, wrong and cut off; and names of files. */
#include <string.h>

#include "check.h"
#include "files.h"
#include "greeting.h"
#include "wire.h"

static greeting_result judge(uint32_t magic, const char *text, size_t length, size_t cut, double *limit)
{
    agent_buffer bytes = {0};
    wire_put_u32(&bytes, magic);
    wire_put_u32(&bytes, (uint32_t)length);
    buffer_text(&bytes, text);
    const greeting_result result = greeting_judge(bytes.data, bytes.size - cut, "pixel:17", limit);
    buffer_free(&bytes);
    return result;
}

static greeting_result say(const char *text, double *limit)
{
    return judge(WIRE_MAGIC, text, strlen(text), 0, limit);
}

static void judges_greetings(void)
{
    double limit;
    CHECK(say("client:pixel:17", &limit) == GREETING_MATCHES && limit == 0);
    CHECK(say("client:pixel:17 -timeout=2.5", &limit) == GREETING_MATCHES && limit == 2.5);
    CHECK(say("client:pixel:17 -timeout=nan", &limit) == GREETING_MATCHES && limit == 0);
    CHECK(say("client:pixel:17 -timeout=-1", &limit) == GREETING_MATCHES && limit == 0);
    CHECK(say("client:pixel:171", &limit) == GREETING_MISMATCH);
    CHECK(say("client:pixel:1", &limit) == GREETING_MISMATCH);
    CHECK(say("server:pixel:17", &limit) == GREETING_MISMATCH);
    CHECK(say("", &limit) == GREETING_MISMATCH);
    CHECK(judge(WIRE_TRACKER_MAGIC, "client:pixel:17", 15, 0, &limit) == GREETING_BROKEN);
    CHECK(judge(WIRE_MAGIC, "client:pixel:17", GREETING_MAX + 1, 0, &limit) == GREETING_BROKEN);
    CHECK(judge(WIRE_MAGIC, "client:pixel:17", 0xFFFFFFFF, 0, &limit) == GREETING_BROKEN);
    for (size_t cut = 1; cut <= 8 + 15; ++cut)
        CHECK(judge(WIRE_MAGIC, "client:pixel:17", 15, cut, &limit) == GREETING_INCOMPLETE);
}

static void a_busy_device_matches_nobody(void)
{
    double limit;
    agent_buffer bytes = {0};
    wire_put_u32(&bytes, WIRE_MAGIC);
    wire_put_u32(&bytes, 7);
    buffer_text(&bytes, "client:");
    CHECK(greeting_judge(bytes.data, bytes.size, "", &limit) == GREETING_MISMATCH);
    buffer_free(&bytes);
}

static void nothing_leads_out_of_the_folder(void)
{
    static const char *const wrong[] = {"", ".", "..", ".a", "a/b", "/a", "a b", "a\n", "\xc3\xa9"};
    char name[FILES_MAX_NAME + 1], longest[FILES_MAX_NAME + 2];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i)
        CHECK(!files_name(wrong[i], strlen(wrong[i]), name));
    CHECK(!files_name("a\0b", 3, name));
    memset(longest, 'a', sizeof longest);
    CHECK(files_name(longest, FILES_MAX_NAME, name) && strlen(name) == FILES_MAX_NAME);
    CHECK(!files_name(longest, FILES_MAX_NAME + 1, name));
}

int main(void)
{
    judges_greetings();
    a_busy_device_matches_nobody();
    nothing_leads_out_of_the_folder();
    return 0;
}
