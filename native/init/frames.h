/* The framing of the init protocol: `u32 payload length | u8 type | payload`, nothing longer than 64 KiB. */
#ifndef CLOCHE_FRAMES_H
#define CLOCHE_FRAMES_H

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER = 5,
    FRAME_MAX = 65536,
    /* Bytes a sender may have under way before the receiver has to credit some. */
    FLOW_WINDOW = 262144,
    /* All fields of one EXEC together. */
    FIELDS_MAX = 1 << 20,
};

enum frame_type {
    FRAME_EXEC = 0x01,
    FRAME_EXEC_PART = 0x02,
    FRAME_DIAL = 0x03,
    FRAME_LISTEN = 0x04,
    FRAME_ACCEPT = 0x05,
    FRAME_RESET = 0x06,

    FRAME_STDIN = 0x10,
    FRAME_RESIZE = 0x11,
    FRAME_SIGNAL = 0x12,
    FRAME_CREDIT = 0x13,

    FRAME_STDOUT = 0x20,
    FRAME_STDERR = 0x21,
    FRAME_EXIT = 0x22,
    FRAME_ERROR = 0x23,
    FRAME_STARTED = 0x24,
    FRAME_INCOMING = 0x25,
    FRAME_DGRAM = 0x26,
    FRAME_CREDIT_STDIN = 0x27,
};

struct frame {
    uint8_t type;
    uint32_t size;
    const uint8_t *payload;
};

enum { FRAME_INCOMPLETE = 0, FRAME_INVALID = -1 };

/* The number of bytes the first frame in data takes, FRAME_INCOMPLETE or FRAME_INVALID. The payload points into data.
 */
long frame_parse(const uint8_t *data, size_t size, struct frame *out);

void frame_header(uint8_t header[FRAME_HEADER], uint8_t type, uint32_t size);

#endif
