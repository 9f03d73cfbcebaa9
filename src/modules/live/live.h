/* live.h - inside of the module live: current values and the live stream. */
#pragma once
#include "core/module.h"
#include "core/node.h"

struct live_ctx {
    struct node *node;
};
extern const struct module live_module;
extern const struct http_stream_ops live_stream_ops;
/* The text of a string value; NULL when it is not known (out then holds ""). */
const char *live_text(struct node *n, const struct sample *s, char *out, size_t cap);
