/* object_int.h - what a store of objects supplies behind object.h. Only files of this folder include it. */
#pragma once
#include "store/object.h"

struct object_ops { /* all required, all may block, any thread */
    void (*close)(struct object_store *s);
    int (*begin)(struct object_store *s, const char *key, struct object_put **ret, struct error *e);
    int (*write)(struct object_put *p, const void *bytes, size_t n, struct error *e);
    int (*finish)(struct object_put *p, struct object_info *ret, struct error *e); /* frees p */
    void (*abort)(struct object_put *p);                                           /* frees p */
    int (*get)(struct object_store *s, const char *key, uint64_t offset, void *buf, size_t cap, size_t *ret_n,
               struct error *e);
    int (*stat)(struct object_store *s, const char *key, struct object_info *ret, struct error *e);
    int (*remove)(struct object_store *s, const char *key, struct error *e);
    int (*each)(struct object_store *s, const char *prefix,
                int (*fn)(void *ctx, const char *key, const struct object_info *i), void *ctx, struct error *e);
    int (*check)(struct object_store *s, struct error *e);
};
struct object_store {
    const struct object_ops *ops;
};
struct object_put {
    const struct object_ops *ops;
};
#define OBJECT_KEY_MAX 512
bool object_key_good(const char *key);

int object_dir_open(const char *rest, const char *secret, struct object_store **ret, struct error *e);
int object_s3_open(const char *rest, const char *secret, struct object_store **ret, struct error *e);
int object_s3_plain_open(const char *rest, const char *secret, struct object_store **ret, struct error *e); /* http */
