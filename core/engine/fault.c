/* What clients are told when the store could not do a write that nothing was wrong with. */
#include "engine/engine_internal.h"

static const struct context_error errors[STORE_FAULT_COUNT] = {
    [STORE_FAULT_NONE] = {.status = KT_BUSY,
                          .message = "the change could not be stored; try again",
                          .message_zh = "更改无法保存，请重试"},
    [STORE_FAULT_ROOM] = {.status = KT_BUSY,
                          .message = "the store has to grow for this; try again",
                          .message_zh = "存储需要为此扩展，请重试"},
    [STORE_FAULT_CROWDED] = {.status = KT_TOO_LARGE,
                             .message = "this changes more than one request can: split it",
                             .message_zh = "此请求的更改超出单次请求的上限，请拆分"},
    [STORE_FAULT_LIMIT] = {.status = KT_BUSY,
                           .message = "the store has reached its limit: raise store-bytes and "
                                      "restart the server; nothing was changed",
                           .message_zh =
                               "存储已达上限：请提高 store-bytes 并重启服务器；未作任何更改"},
    [STORE_FAULT_GROWTH] =
        {.status = KT_BUSY,
         .message = "the store must grow and cannot just now, the server's log "
                    "says why; nothing was changed, try again",
         .message_zh = "存储需要扩展但暂时无法进行，原因见服务器日志；未作任何更改，请重试"},
    [STORE_FAULT_DISK_FULL] = {.status = KT_BUSY,
                               .message = "the disk of the data folder is full: free space and "
                                          "try again; nothing was changed",
                               .message_zh =
                                   "数据文件夹所在磁盘已满：请释放空间后重试；未作任何更改"},
    [STORE_FAULT_DISK_FAILED] = {.status = KT_BUSY,
                                 .message = "the disk of the data folder failed, see the server's "
                                            "log; nothing was changed",
                                 .message_zh =
                                     "数据文件夹所在磁盘出错，详见服务器日志；未作任何更改"},
    [STORE_FAULT_UNCERTAIN] = {.status = KT_INTERNAL,
                               .message = "the disk failed and it is not known whether the change "
                                          "was stored: look, or send it again with the same "
                                          "request_id",
                               .message_zh =
                                   "磁盘出错，无法确定更改是否已保存：请核对，或使用相同的 "
                                   "request_id 重新发送"},
};

const struct context_error fault_read_ended = {
    .status = KT_BUSY,
    .message = "the read took long and was ended, as the store had to be opened anew: try again, "
               "or ask for less",
    .message_zh = "存储需要重新打开，此耗时的读取已被终止：请重试或减少读取量"};

const struct context_error *fault_error(enum store_fault fault)
{
    return &errors[fault];
}
