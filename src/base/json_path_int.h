/* json_path_int.h - shared by json_path_*.c: a compiled path. All of it lives in the arena of the caller and never changes. */
#pragma once
#include "base/json_path.h"

#define PATH_TEXT_MAX 4096
#define PATH_SEGMENTS_MAX 32
#define PATH_SELECTORS_MAX 64     /* between one pair of brackets */
#define PATH_NEST_MAX 8           /* filters in filters, brackets in filters */
#define PATH_VISITS_MAX 1000000
#define PATH_INT_MAX 9007199254740991 /* of an index, RFC 9535 2.1 (I-JSON) */

enum selector_kind { SELECT_NAME, SELECT_ALL, SELECT_INDEX, SELECT_SLICE, SELECT_FILTER };
struct path_expr;
struct path_selector {
    enum selector_kind kind;
    bool has_from, has_to;
    struct str name;
    int64_t from, to, step; /* from: the index, too */
    const struct path_expr *filter;
};
struct path_segment {
    bool descend;
    size_t n;
    const struct path_selector *sel;
};
struct json_path_query {
    bool relative; /* begins with @: inside a filter */
    size_t n;
    const struct path_segment *seg;
};

/* What a filter asks of a node. A comparison has operands, the others have parts. */
enum path_op { OP_OR, OP_AND, OP_NOT, OP_EXISTS, OP_EQ, OP_NE, OP_LE, OP_GE, OP_LT, OP_GT };
struct path_operand {
    const struct json *literal;
    const struct json_path_query *query; /* when there is no literal; one node at most */
};
struct path_expr {
    enum path_op op;
    const struct path_expr *a, *b;      /* OR, AND; NOT: a */
    const struct json_path_query *query; /* EXISTS */
    struct path_operand left, right;
};
