/* The tables of the services' structures, made from the lists of ua_service.h, and finding rows in them. */
#include "proto/opcua/ua_service.h"

/* A function a structure, only so that `T` can name it where the offsets are taken; all it holds is constant. */
#define ROW_B(t, f) {#f, UA_##t, offsetof(T, f), false, 0},
#define ROW_BA(t, f) {#f, UA_##t, offsetof(T, f), true, offsetof(T, f##_n)},
#define ROW_S(t, f) {#f, UA_T_##t, offsetof(T, f), false, 0},
#define ROW_SA(t, f) {#f, UA_T_##t, offsetof(T, f), true, offsetof(T, f##_n)},
#define X(id, text, type_id, binary_id) \
    static const struct ua_structure *row_##id(void) \
    { \
        typedef struct ua_##id T; \
        static const struct ua_field fields[] = {UA_F_##id(ROW_B, ROW_BA, ROW_S, ROW_SA)}; \
        static const struct ua_structure s = { \
            .name = text, \
            .data_type = type_id, \
            .binary = binary_id, \
            .size = sizeof(T), \
            .fields = fields, \
            .fields_n = sizeof fields / sizeof *fields, \
        }; \
        return &s; \
    }
UA_STRUCTURES(X)
#undef X

typedef const struct ua_structure *row_fn(void);
static row_fn *const rows[] = {
#define X(id, text, type_id, binary_id) row_##id,
    UA_STRUCTURES(X)
#undef X
};
#define ROWS (sizeof rows / sizeof *rows)

const struct ua_structure *ua_structure(unsigned type)
{
    return type > UA_T_FIRST && type < UA_T_END ? rows[type - UA_T_FIRST - 1]() : NULL;
}

/* Encoding id -> type number. Ids are below 20,000 and the list is short: a switch made from it is a jump table
 * that the compiler checks for doubles. */
unsigned ua_type_of_binary(const struct ua_nodeid *id)
{
    if (id->ns != 0 || id->kind != UA_ID_NUMBER) return 0;
    switch (id->i) {
#define X(id, text, type_id, binary_id) \
    case binary_id: return UA_T_##id;
        UA_STRUCTURES(X)
#undef X
    }
    return 0;
}

/* Simple types of the standard that are others by another name (OPC 10000-5, 12; OPC 10000-6 A.3). */
static const uint16_t simple[][2] = {
    {26, UA_VARIANT},       /* Number */
    {27, UA_VARIANT},       /* Integer */
    {28, UA_VARIANT},       /* UInteger */
    {29, UA_INT32},         /* Enumeration */
    {30, UA_BYTESTRING},    /* Image */
    {288, UA_UINT32},       /* IntegerId */
    {289, UA_UINT32},       /* Counter */
    {290, UA_DOUBLE},       /* Duration */
    {291, UA_STRING},       /* NumericRange */
    {293, UA_DATETIME},     /* Date */
    {294, UA_DATETIME},     /* UtcTime */
    {295, UA_STRING},       /* LocaleId */
    {256, UA_INT32},        /* IdType */
    {257, UA_INT32},        /* NodeClass */
    {852, UA_INT32},        /* ServerState */
    {11737, UA_UINT64},     /* BitFieldMaskDataType */
    {12077, UA_INT32},      /* AxisScaleEnumeration */
    {12877, UA_STRING},     /* NormalizedString */
    {12878, UA_STRING},     /* DecimalString */
    {12879, UA_STRING},     /* DurationString */
    {12880, UA_STRING},     /* TimeString */
    {12881, UA_STRING},     /* DateString */
    {16307, UA_BYTESTRING}, /* AudioDataType */
};
unsigned ua_type_of_data_type(const struct ua_nodeid *id)
{
    if (id->ns != 0 || id->kind != UA_ID_NUMBER) return 0;
    if (id->i > 0 && id->i < UA_BUILTIN_COUNT) return id->i;
    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++)
        if (simple[i][0] == id->i) return simple[i][1];
    switch (id->i) {
#define X(id, text, type_id, binary_id) \
    case type_id: return UA_T_##id;
        UA_STRUCTURES(X)
#undef X
    }
    return 0;
}

/* By name: XRequest -> XResponse, its neighbour or a little further on in the list. */
unsigned ua_response_of(unsigned request)
{
    const struct ua_structure *q = ua_structure(request);
    if (q == NULL || !str_ends(str_of(q->name), STR("Request")) || q->fields[0].type != UA_T_request_header) return 0;
    struct str stem = str_sub(str_of(q->name), 0, strlen(q->name) - strlen("Request"));
    for (unsigned t = request + 1; t < UA_T_END; t++) {
        struct str name = str_of(ua_structure(t)->name);
        if (str_starts(name, stem) && str_is(str_sub(name, stem.n, name.n), "Response")) return t;
    }
    return 0;
}

struct ua_extension ua_extension_of(unsigned type, void *value)
{
    const struct ua_structure *s = ua_structure(type);
    if (s == NULL || value == NULL) return (struct ua_extension){0};
    return (struct ua_extension){
        .type = ua_id(0, s->binary), .body_kind = UA_BODY_BYTES, .known = (uint16_t)type, .value = value};
}

void *ua_extension_as(const struct ua_extension *x, unsigned type)
{
    return x->known == type ? x->value : NULL;
}
