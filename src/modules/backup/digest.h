/* digest.h - what the samples of each point hash to, in a window of time: taken of the snapshot when a backup is made,
 * and again of what a drill has opened.
 *
 * Every file of a backup is hashed as bytes, always. The digest of points says more: that the files, opened as a store,
 * give the same samples. Scanning is what costs: so it covers everything as long as there are at most DIGEST_SAMPLES
 * samples, else the latest stretch of time that holds about so many; the manifest tells the window and whether it was
 * all.
 *
 * SHA-256 of each sample's 24 bytes in time order; of a string sample the text is hashed behind it, of a blob its type,
 * and its bytes as long as those of the point are not more than DIGEST_BLOBS in all. One thread. */
#pragma once
#include "model/ts_admin.h"
#include "modules/backup/target.h"

#define DIGEST_SAMPLES 50000000u
#define DIGEST_BLOBS (UINT64_C(256) << 20)

struct digest_point {
    uint32_t point;
    uint64_t stored; /* samples in the store's files, rewritten ones twice */
    int64_t oldest_us, newest_us;
};
struct digest_points {
    struct digest_point *point; /* by number */
    size_t n, cap;
    uint64_t stored;
    int64_t oldest_us, newest_us; /* of all; 0, 0: none */
};
/* The points that have samples in files. ERR_UNSUPPORTED: the store cannot tell. */
MUST_CHECK int digest_points_of(struct ts_store *st, struct digest_points *ret, struct error *e);
void digest_points_fini(struct digest_points *p);
/* The window: [*from, *to). True: it is everything. */
bool digest_window(const struct digest_points *p, uint64_t cap, int64_t *from, int64_t *to);

struct digest {
    uint64_t samples;
    char hash[TARGET_HASH];
};
/* `cancelled` may be NULL. */
MUST_CHECK int digest_point(struct ts_store *st, uint32_t point, int64_t from, int64_t to, bool (*cancelled)(void *ctx),
                            void *ctx, struct digest *ret, struct error *e);
