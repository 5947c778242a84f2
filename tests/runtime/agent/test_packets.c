/* Packets, right, wrong and mutated at random: each is answered by exactly one well-formed packet. */
#define _GNU_SOURCE /* mkdtemp */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "files.h"
#include "session.h"
#include "wire.h"

static agent_session session;

/* The code of the answer; checks that it is one packet, an answer. */
static uint32_t check_answer(const agent_buffer *reply)
{
    wire_value values[WIRE_MAX_VALUES];
    int count;
    wire_reader in = {.at = reply->data, .end = reply->data + reply->size};
    CHECK(!reply->failed);
    CHECK(wire_u64(&in) == reply->size - 8);
    const uint32_t code = wire_u32(&in);
    CHECK(code == WIRE_RETURN || code == WIRE_EXCEPTION);
    CHECK(wire_values(&in, values, &count) == NULL);
    CHECK(count == 1 || (count == 2 && code == WIRE_RETURN));
    return code;
}

static uint32_t answer(const agent_buffer *packet)
{
    agent_buffer reply = {0};
    /* A copy of the exact size: the sanitizer sees what is read behind its end. */
    unsigned char *copy = malloc(packet->size ? packet->size : 1);
    CHECK(copy);
    if (packet->size)
        memcpy(copy, packet->data, packet->size);
    const uint32_t code = session_handle(&session, copy, packet->size, &reply) ? check_answer(&reply) : WIRE_SHUTDOWN;
    free(copy);
    buffer_free(&reply);
    return code;
}

static void put_string(agent_buffer *packet, uint32_t type, const char *text)
{
    wire_put_u32(packet, type);
    if (type == WIRE_SMALL_STRING || type == WIRE_STRING)
        wire_put_u32(packet, WIRE_STRING);
    wire_put_u64(packet, strlen(text));
    buffer_text(packet, text);
}

static agent_buffer init_packet(const char *version)
{
    agent_buffer packet = {0};
    wire_put_u32(&packet, WIRE_INIT_SERVER);
    wire_put_u64(&packet, strlen(version));
    buffer_text(&packet, version);
    wire_put_u32(&packet, 0);
    return packet;
}

static agent_buffer find_packet(const char *name, uint32_t type)
{
    agent_buffer packet = {0};
    wire_put_u32(&packet, WIRE_GET_GLOBAL_FUNCTION);
    wire_put_u32(&packet, 1);
    put_string(&packet, type, name);
    return packet;
}

static agent_buffer call_packet(const char *function, int count, const char *const *texts)
{
    agent_buffer packet = {0};
    wire_put_u32(&packet, WIRE_CALL_FUNCTION);
    wire_put_u64(&packet, functions_find(function, strlen(function)));
    wire_put_u32(&packet, (uint32_t)count);
    for (int i = 0; i < count; ++i)
        put_string(&packet, i == 1 ? WIRE_BYTE_ARRAY : WIRE_RAW_STRING, texts[i]);
    return packet;
}

static uint32_t answer_and_free(agent_buffer packet)
{
    const uint32_t code = answer(&packet);
    buffer_free(&packet);
    return code;
}

static void begins_with_the_version(void)
{
    CHECK(answer_and_free(find_packet("separable.describe", WIRE_RAW_STRING)) == WIRE_EXCEPTION);
    CHECK(answer_and_free(init_packet("0.7.0")) == WIRE_EXCEPTION);
    CHECK(answer_and_free(init_packet("")) == WIRE_EXCEPTION);
    CHECK(answer_and_free(init_packet(WIRE_VERSION)) == WIRE_RETURN);
    CHECK(answer_and_free(init_packet(WIRE_VERSION)) == WIRE_EXCEPTION);
}

static void finds_functions_by_every_kind_of_string(void)
{
    static const uint32_t types[] = {WIRE_RAW_STRING, WIRE_SMALL_STRING, WIRE_STRING};
    for (int i = 0; i < 3; ++i)
        CHECK(answer_and_free(find_packet("separable.describe", types[i])) == WIRE_RETURN);
    CHECK(answer_and_free(find_packet("separable.nothing", WIRE_RAW_STRING)) == WIRE_RETURN);
    CHECK(functions_find("separable.nothing", 17) == 0 && functions_get(0) == NULL && !functions_get(UINT64_MAX));
}

static void keeps_files(void)
{
    static const char *const texts[] = {"file", "abc"}, *const outside[] = {"../file", "abc"};
    agent_buffer content = {0};
    CHECK(answer_and_free(call_packet("tvm.rpc.server.upload", 2, texts)) == WIRE_RETURN);
    CHECK(answer_and_free(call_packet("separable.append", 2, texts)) == WIRE_RETURN);
    CHECK(files_read("file", 100, &content) == 0 && content.size == 6 && memcmp(content.data, "abcabc", 6) == 0);
    buffer_free(&content);
    CHECK(answer_and_free(call_packet("tvm.rpc.server.upload", 2, outside)) == WIRE_EXCEPTION);
    CHECK(answer_and_free(call_packet("tvm.rpc.server.upload", 1, texts)) == WIRE_EXCEPTION);
    CHECK(answer_and_free(call_packet("tvm.rpc.server.remove", 1, texts)) == WIRE_RETURN);
    CHECK(answer_and_free(call_packet("tvm.rpc.server.remove", 1, texts)) == WIRE_EXCEPTION);
    CHECK(answer_and_free(call_packet("separable.append", 2, texts)) == WIRE_EXCEPTION);
}

static void every_code_is_answered(void)
{
    for (uint32_t code = 0; code < 64; ++code) {
        for (size_t size = 0; size < 40; ++size) {
            agent_buffer packet = {0};
            wire_put_u32(&packet, code);
            for (size_t i = 0; i < size; ++i)
                buffer_append(&packet, &(unsigned char){(unsigned char)(i * code)}, 1);
            CHECK((answer(&packet) == WIRE_SHUTDOWN) == (code == WIRE_SHUTDOWN));
            buffer_free(&packet);
        }
    }
}

static uint32_t random_state = 20261123;

static uint32_t random_below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % bound;
}

/* Flips bits, overwrites numbers with telling values, cuts and extends. */
static void mutate(agent_buffer *packet)
{
    static const uint32_t telling[] = {0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 8, 9, 11, 65, 66};
    for (uint32_t changes = 1 + random_below(3); changes > 0 && packet->size > 0; --changes) {
        const size_t at = random_below((uint32_t)packet->size);
        switch (random_below(4)) {
        case 0:
            packet->data[at] ^= (unsigned char)(1u << random_below(8));
            break;
        case 1:
            for (size_t i = at; i < packet->size && i < at + 4; ++i)
                packet->data[i] = (unsigned char)(telling[random_below(13)] >> 8 * (i - at));
            break;
        case 2:
            packet->size = at;
            break;
        default:
            buffer_append(packet, &(unsigned char){(unsigned char)random_below(256)}, 1);
        }
    }
}

static void random_packets_are_answered(void)
{
    static const char *const upload[] = {"a", "data"};
    static const char *const run[] = {"a", "[\"x\", \"\\u00e9\"]", "{\"in\": \"a\"}",
                                      "{\"wall_s\": 0.1, \"memory_bytes\": 1e8, \"file_bytes\": 1e6}"};
    for (int i = 0; i < 200000; ++i) {
        /* Programs and the description of the device take time; they have their turn now and then. */
        const uint32_t kind = i % 1000 == 0 ? 3 : random_below(3);
        agent_buffer packet = kind == 0   ? find_packet("separable.run", WIRE_SMALL_STRING)
                              : kind == 1 ? init_packet(WIRE_VERSION)
                              : kind == 2 ? call_packet("tvm.rpc.server.download", 1, upload)
                                          : call_packet("separable.run", 4, run);
        mutate(&packet);
        answer(&packet);
        buffer_free(&packet);
    }
}

int main(void)
{
    char folder[] = "/tmp/separable-test.XXXXXX";
    session = (agent_session){.context = {.client = -1}};
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    begins_with_the_version();
    finds_functions_by_every_kind_of_string();
    keeps_files();
    every_code_is_answered();
    random_packets_are_answered();
    CHECK(chdir("/") == 0);
    files_remove_tree(folder);
    return 0;
}
