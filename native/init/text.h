/* Error texts without stdio: "ENOENT: python9 not found", "EACCES: /root: Permission denied". */
#ifndef CLOCHE_TEXT_H
#define CLOCHE_TEXT_H

#include <stddef.h>

enum { ERROR_TEXT_MAX = 300 };

/* Always ends in NUL, cuts what does not fit. what may be null. */
void error_text(char text[ERROR_TEXT_MAX], int error, const char *what);

#endif
