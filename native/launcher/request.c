/* Reads a request as if an attacker had written it. Nothing here trusts a length, a terminator or a character. */
#include "launcher.h"

#include <string.h>

static bool is_word(const char *text, size_t least, size_t most, const char *alphabet)
{
    size_t length = strlen(text);
    return length >= least && length <= most && strspn(text, alphabet) == length;
}

bool id_valid(const char *text)
{
    return text && is_word(text, 8, SANDBOX_ID_MAX, "abcdefghijklmnopqrstuvwxyz0123456789");
}

bool hash_valid(const char *text)
{
    return text && is_word(text, 64, 64, "abcdef0123456789");
}

bool request_parse(struct request *request, char *payload, size_t length)
{
    if (length == 0 || payload[length - 1] != 0)
        return false;
    char *end = payload + length, *at = payload;
    *request = (struct request){.verb = at};
    at += strlen(at) + 1;
    if (at >= end)
        return false;
    request->tag = at;
    at += strlen(at) + 1;
    if (!is_word(request->tag, 1, 15, "0123456789"))
        return false;
    while (at < end) {
        char *equals = strchr(at, '=');
        if (!equals || request->count == FIELD_MAX)
            return false;
        *equals = 0;
        request->keys[request->count] = at;
        request->values[request->count++] = equals + 1;
        at = equals + 1 + strlen(equals + 1) + 1;
    }
    return true;
}

const char *request_text(const struct request *request, const char *key)
{
    for (int i = 0; i < request->count; i++)
        if (!strcmp(request->keys[i], key))
            return request->values[i];
    return NULL;
}

bool request_number(const struct request *request, const char *key, uint64_t otherwise, uint64_t most, uint64_t *value)
{
    const char *text = request_text(request, key);
    *value = otherwise;
    if (!text)
        return true;
    if (!is_word(text, 1, 18, "0123456789"))
        return false;
    *value = 0;
    for (; *text; text++)
        *value = *value * 10 + (uint64_t)(*text - '0');
    return *value <= most;
}
