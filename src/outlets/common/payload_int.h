/* payload_int.h - shared by payload*.c: values as texts, and compiled templates. */
#pragma once
#include "base/json.h"
#include "outlets/common/payload.h"

/* What a name in ${…} stands for. */
enum template_var {
    VAR_LITERAL,
    VAR_CODE,
    VAR_NAME,
    VAR_ADDRESS,
    VAR_UNIT,
    VAR_AREA,
    VAR_DEVICE,
    VAR_NODE,
    VAR_VALUE,
    VAR_QUALITY,
    VAR_TIME,
    VAR_TS
};
struct template_piece {
    enum template_var var;
    bool json;       /* ${json:name} */
    struct str text; /* VAR_LITERAL */
};
struct template
{
    struct template_piece *piece;
    size_t n;
};
/* item: names of an item are allowed, else those of payload_text. `where` names the option in an error. In the arena.
 */
MUST_CHECK int template_compile(struct str text, bool item, const char *where, struct arena *a, struct template *ret,
                                struct error *e);
/* it and node may be NULL where the template has no such names. */
void template_write(const struct template *t, const struct outlet_point *p, const struct outlet_item *it,
                    const char *node, struct buf *out);

bool item_usable(const struct outlet_item *it);                 /* it has a value to tell */
void item_json(struct buf *out, const struct outlet_item *it);  /* number, true, "text" or null */
void item_plain(struct buf *out, const struct outlet_item *it); /* number, true, text or nothing */
void item_time(struct buf *out, int64_t time_us);               /* RFC 3339 with three digits or six */
int64_t item_ms(int64_t time_us);
const char *item_quality(const struct outlet_item *it);
void text_json(struct buf *out, struct str s); /* quoted */
