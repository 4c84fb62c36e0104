#include "text.h"

#include <errno.h>
#include <string.h>

static void append(char text[ERROR_TEXT_MAX], const char *more)
{
    size_t held = strlen(text);
    size_t size = strnlen(more, ERROR_TEXT_MAX - 1 - held);
    memcpy(text + held, more, size);
    text[held + size] = 0;
}

void error_text(char text[ERROR_TEXT_MAX], int error, const char *what)
{
    const char *name = strerrorname_np(error);
    const char *description = strerrordesc_np(error);
    text[0] = 0;
    append(text, name != NULL ? name : "EUNKNOWN");
    append(text, ": ");
    if (what != NULL) {
        append(text, what);
        append(text, error == ENOENT ? " not found" : ": ");
    }
    if (what == NULL || error != ENOENT)
        append(text, description != NULL ? description : "unknown error");
}
