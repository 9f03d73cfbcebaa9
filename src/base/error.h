/* error.h - the one list of errors, and the error that a person reads.
 *
 * A function that can fail returns int: 0 or one of the negative codes below. Where a person will read
 * the outcome it takes an optional last `struct error *` (NULL: not wanted) which carries the text in
 * English and Chinese and the place (field, row, file offset, address) where it went wrong.
 * The text names the thing, what is wrong, and what would be right.
 * Nothing here allocates; any thread. */
#pragma once
#include <stddef.h>

/*    name          code  HTTP  English                        Chinese */
#define ERROR_LIST(X)                                                                              \
    X(INVALID,        -1, 400, "invalid value",                "值无效")                           \
    X(UNAUTHENTICATED,-2, 401, "not signed in",                "未登录")                           \
    X(FORBIDDEN,      -3, 403, "not permitted",                "没有权限")                         \
    X(NOT_FOUND,      -4, 404, "not found",                    "未找到")                           \
    X(EXISTS,         -5, 409, "exists already",               "已存在")                           \
    X(CONFLICT,       -6, 412, "changed by someone else",      "已被他人修改")                     \
    X(REFERENCED,     -7, 409, "still referenced",             "仍被引用")                         \
    X(TOO_LARGE,      -8, 413, "too large",                    "过大")                             \
    X(LIMIT,          -9, 429, "limit reached",                "达到上限")                         \
    X(TIMEOUT,       -10, 504, "timed out",                    "超时")                             \
    X(UNAVAILABLE,   -11, 503, "not available now",            "暂不可用")                         \
    X(UNSUPPORTED,   -12, 501, "not supported",                "不支持")                           \
    X(METHOD,        -13, 405, "method not allowed",           "方法不允许")                       \
    X(MEDIA_TYPE,    -14, 415, "unsupported media type",       "不支持的内容类型")                 \
    X(RANGE,         -15, 416, "range not satisfiable",        "范围无法满足")                     \
    X(PROTOCOL,      -16, 502, "peer broke the protocol",      "对端协议错误")                     \
    X(DEVICE,        -17, 502, "refused by the device",        "设备拒绝")                         \
    X(UNKNOWN,       -18, 504, "outcome unknown",              "结果未知")                         \
    X(NOMEM,         -19, 503, "out of memory",                "内存不足")                         \
    X(IO,            -20, 500, "input/output error",           "读写错误")                         \
    X(DISK_FULL,     -21, 507, "disk full",                    "磁盘已满")                         \
    X(CORRUPT,       -22, 500, "stored data damaged",          "存储数据损坏")                     \
    X(CLOSED,        -23, 503, "closed",                       "已关闭")                           \
    X(AGAIN,         -24, 503, "busy, try again",              "繁忙，请重试")                     \
    X(CANCELLED,     -25, 499, "cancelled",                    "已取消")                           \
    X(PRECONDITION,  -26, 428, "precondition required",        "缺少前置条件")                     \
    X(INTERNAL,      -27, 500, "internal error",               "内部错误")

enum error_code {
    ERR_OK = 0,
#define X(name, code, http, en, zh) ERR_##name = (code),
    ERROR_LIST(X)
#undef X
};

#define ERROR_TEXT_MAX 320
#define ERROR_WHERE_MAX 96

struct error {
    int code;                      /* enum error_code, 0: none */
    char where[ERROR_WHERE_MAX];   /* field path "spec.period_ms", "row 12", file:offset ...; may be "" */
    char text[ERROR_TEXT_MAX];     /* English sentence, no trailing full stop */
    char text_zh[ERROR_TEXT_MAX];  /* the same in Chinese */
};

const char *error_name(int code);    /* "not_found"; "unknown_error" for codes outside the list */
const char *error_title(int code);   /* short English text of the list */
const char *error_title_zh(int code);
int error_http(int code);            /* HTTP status */

/* Fill *e (may be NULL) and return `code`, so that `return error_set(e, ERR_INVALID, ...)` reads well.
 * `en` and `zh` are printf formats over the same arguments in the same order; zh NULL: use en. Texts
 * that do not fit are cut at a UTF-8 boundary. */
__attribute__((format(printf, 4, 6))) __attribute__((format(printf, 5, 6)))
int error_set(struct error *e, int code, const char *where, const char *en, const char *zh, ...);
/* Put "prefix" in front of e->where ("rows[3]." + "name"); no-op for NULL. */
void error_prefix(struct error *e, const char *prefix);
/* Negative errno of a system call -> code of the list (ENOSPC, EDQUOT -> DISK_FULL, ...). */
int error_from_errno(int err);

#define MUST_CHECK __attribute__((warn_unused_result))
