#include "frames.h"

#include "le.h"

long frame_parse(const uint8_t *data, size_t size, struct frame *out)
{
    if (size < 4)
        return FRAME_INCOMPLETE;
    uint32_t payload = le_get32(data);
    /* Judged before the rest has arrived: an oversize length never makes anyone wait for its bytes. */
    if (payload > FRAME_MAX)
        return FRAME_INVALID;
    if (size < FRAME_HEADER + (size_t)payload)
        return FRAME_INCOMPLETE;
    out->type = data[4];
    out->size = payload;
    out->payload = data + FRAME_HEADER;
    return FRAME_HEADER + (long)payload;
}

void frame_header(uint8_t header[FRAME_HEADER], uint8_t type, uint32_t size)
{
    le_put32(header, size);
    header[4] = type;
}
