/* Goal: no bytes make the scanner or the splitter read outside them or disagree with msgpack-c.
 * Method: the first byte says where the rest is cut in two; every way to read it must agree. */
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* A copy of exactly its size, so that a sanitizer sees the first byte too far. */
static char *copy(const char *bytes, size_t size)
{
    char *made = malloc(size ? size : 1);
    require(made != NULL);
    memcpy(made, bytes, size);
    return made;
}

static struct frame_scan scan_at_once(const char *bytes, size_t size)
{
    struct frame_scan scan = {0};
    frame_scan(&scan, bytes, size);
    return scan;
}

static void check_pieces(const char *bytes, size_t size, size_t cut)
{
    struct frame_scan whole = scan_at_once(bytes, size);
    struct frame_scan pieces = {0};
    char *first = copy(bytes, cut);
    if (frame_scan(&pieces, first, cut) == FRAME_MORE)
        frame_scan(&pieces, bytes, size);
    free(first);
    require(pieces.state == whole.state && pieces.size == whole.size);
    require(whole.state != FRAME_MORE || whole.size == size);
    require(whole.size <= size && whole.size <= KT_LIMIT_MESSAGE_BYTES);
    frame_msgid(bytes, size);
}

static void check_parts(const struct frame_parts *parts, const msgpack_object *message,
                        const char *bytes, size_t size)
{
    const msgpack_object *members = message->via.array.ptr;
    uint32_t count = parts->kind == FRAME_REQUEST ? 4 : 3;
    require(message->type == MSGPACK_OBJECT_ARRAY && message->via.array.size == count);
    require(members[0].via.u64 == (count == 4 ? 0 : 2));
    require(count == 3 || members[1].via.u64 == parts->msgid);
    const msgpack_object *method = &members[count - 2];
    require(method->type == MSGPACK_OBJECT_STR && method->via.str.size == parts->method_length);
    for (size_t i = 0; i < parts->method_length;
         i++) /* memcmp may not be given msgpack-c's NULL. */
        require(method->via.str.ptr[i] == parts->method[i]);
    require(members[count - 1].type == MSGPACK_OBJECT_ARRAY);
    require(parts->params >= parts->method && parts->params + parts->params_size == bytes + size);
}

static void check_whole(const char *bytes, size_t size)
{
    struct frame_parts parts;
    msgpack_unpacked unpacked;
    size_t end = 0;
    char *exact = copy(bytes, size);
    msgpack_unpacked_init(&unpacked);
    require(msgpack_unpack_next(&unpacked, exact, size, &end) == MSGPACK_UNPACK_SUCCESS);
    require(end == size);
    if (frame_split(exact, size, &parts))
        check_parts(&parts, &unpacked.data, exact, size);
    else
        require(parts.kind == FRAME_REQUEST || parts.msgid == 0);
    require(frame_msgid(exact, size) == parts.msgid);
    msgpack_unpacked_destroy(&unpacked);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    size_t cut = bytes[0];
    char *stream = copy((const char *)bytes + 1, --size);
    check_pieces(stream, size, cut < size ? cut : size);
    /* As the server does: one message after the other. */
    size_t begin = 0;
    struct frame_scan scan = scan_at_once(stream, size);
    while (scan.state == FRAME_WHOLE) {
        check_whole(stream + begin, scan.size);
        begin += scan.size;
        scan = scan_at_once(stream + begin, size - begin);
    }
    free(stream);
    return 0;
}
