/* Reading and writing JSON: what is right, and everything that is not. */
#include <string.h>

#include "buffer.h"
#include "check.h"
#include "json.h"

static bool list(agent_json *json, const char *text)
{
    return json_string_list(json, text, strlen(text));
}

static void reads_strings(void)
{
    agent_json json;
    CHECK(list(&json, " [ \"a\\n\\\"\\u00e9\\ud83d\\ude00\", \"\" ] "));
    CHECK(json.count == 2);
    CHECK(strcmp(json_value(&json, 0), "a\n\"\xc3\xa9\xf0\x9f\x98\x80") == 0);
    CHECK(strcmp(json_value(&json, 1), "") == 0);
    json_free(&json);
    CHECK(list(&json, "[]") && json.count == 0);
    json_free(&json);
}

static void reads_objects(void)
{
    agent_json json;
    const char *strings = "{\"x\": \"1\", \"y\":\"2\"}", *numbers = "{\"a\": -1.5e3, \"b\":0}";
    CHECK(json_string_object(&json, strings, strlen(strings)) && json.count == 2);
    CHECK(strcmp(json_key(&json, 1), "y") == 0 && strcmp(json_value(&json, 1), "2") == 0);
    json_free(&json);
    CHECK(json_number_object(&json, numbers, strlen(numbers)) && json.count == 2);
    CHECK(json.numbers[0] == -1500 && json.numbers[1] == 0);
    json_free(&json);
}

static void refuses_everything_else(void)
{
    static const char *const wrong[] = {
        "",        "[",         "]",          "[\"a\"",       "[\"a\",]", "[\"a\" \"b\"]", "[1]",
        "{}",      "[\"\\x\"]", "[\"\\u00\"]", "[\"\\u0000\"]", "[\"\n\"]", "[\"a\"] x",     "[\"\\ud800\"]",
        "[\"\\u",  "[\"\\",     "[[\"a\"]]",  "null",         "[\"\\ud800\\u0041\"]",
    };
    static const char *const numbers[] = {"{\"a\":}", "{\"a\":1e999}", "{\"a\":\"1\"}", "{\"a\":--1}", "{\"a\":nan}",
                                          "{\"a\":1,}", "{\"a\":00000000000000000000000000000000000000000000000001}"};
    agent_json json;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
        CHECK(!list(&json, wrong[i]));
        json_free(&json);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; ++i) {
        CHECK(!json_number_object(&json, numbers[i], strlen(numbers[i])));
        json_free(&json);
    }
}

static void has_a_largest_size(void)
{
    agent_buffer text = {0};
    agent_json json;
    buffer_text(&text, "[\"0\"");
    for (int i = 1; i < JSON_MAX_ITEMS; ++i)
        buffer_text(&text, ",\"0\"");
    buffer_text(&text, "]");
    CHECK(json_string_list(&json, (const char *)text.data, text.size) && json.count == JSON_MAX_ITEMS);
    json_free(&json);
    --text.size;
    buffer_text(&text, ",\"0\"]");
    CHECK(!json_string_list(&json, (const char *)text.data, text.size));
    json_free(&json);
    buffer_free(&text);
}

/* Whatever bytes a program prints, what is sent is JSON in UTF-8 without a zero. */
static void writes_any_bytes(void)
{
    static const char bytes[] = "a\"\\\n\0\x7f\x80\xc3\xa9\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82";
    agent_buffer out = {0};
    buffer_json(&out, bytes, sizeof bytes - 1);
    buffer_append(&out, "", 1);
    CHECK(strcmp((const char *)out.data, "\"a\\\"\\\\\\u000a\\u0000\\u007f\\ufffd\xc3\xa9\\ufffd\\ufffd\\ufffd"
                                         "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"") == 0);
    buffer_free(&out);
}

int main(void)
{
    reads_strings();
    reads_objects();
    refuses_everything_else();
    has_a_largest_size();
    writes_any_bytes();
    return 0;
}
