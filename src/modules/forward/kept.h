/* kept.h - small texts that an outlet keeps over restarts (bornite/outlet.h, keep and kept): what a peer has set.
 *
 * In memory with the running line, in SQL table forward_kept(forward id, name, value sealed). A forwarding that is deleted
 * loses its rows. `lock` orders the writes of one line: the last of a name wins, in whichever order workers come. */
#pragma once
#include <pthread.h>
#include "core/resource.h"
#include "store/sql.h"

#define KEPT_NAMES 32
#define KEPT_NAME_MAX 40
#define KEPT_VALUE_MAX 1000

struct kept_one {
    char name[KEPT_NAME_MAX + 1];
    char *value;                  /* NULL: forgotten; the loop's */
    uint64_t asked, stored;       /* numbers of changes; stored: under the lock */
};
struct kept {
    struct kept_one at[KEPT_NAMES];
    size_t n;
    pthread_mutex_t lock;
};

MUST_CHECK int kept_migrate(struct sql *db, struct error *e);
void kept_init(struct kept *k);
void kept_fini(struct kept *k);
/* What is stored of a forwarding. Blocks. What cannot be opened any more is left out. */
MUST_CHECK int kept_load(struct kernel *kernel, const char *forward, struct kept *k, struct error *e);
const char *kept_get(const struct kept *k, const char *name); /* NULL: none */
/* In memory; ERR_INVALID, ERR_LIMIT, ERR_NOMEM. *ret_at: its place, *ret_change: the number for kept_store. */
MUST_CHECK int kept_set(struct kept *k, const char *name, const char *value, size_t *ret_at, uint64_t *ret_change,
                        struct error *e);
/* On disk; value NULL: away. Blocks; nothing when a later change of that place is there. */
MUST_CHECK int kept_store(struct kernel *kernel, const char *forward, struct kept *k, size_t at, uint64_t change,
                          const char *value, struct error *e);
void kept_forget(struct kernel *kernel, const char *forward); /* all of one that is deleted. Blocks */
