/* files.h - files that people send: uploads, attachments of resources, and tables to import from them.
 *
 * An upload is streamed to the store of objects and belongs to whoever sent it; it is kept 24 hours unless
 * it becomes an attachment. An attachment belongs to a resource: who may read that may read it, who may
 * change that may add and remove. Content is typed by its bytes, never by its name. */
#pragma once
#include "core/api.h"
#include "core/job.h"
#include "store/object.h"

struct files;
struct files_config {
    struct kernel *kernel;
    struct api *api;
    struct jobs *jobs;
    struct object_store *objects;
};
/* Tables, routes, job types; before jobs_start. */
MUST_CHECK int files_open(const struct files_config *cfg, struct files **ret, struct error *e);
MUST_CHECK int files_start(struct files *f, struct error *e); /* after jobs_start: cleaning comes again and again */
void files_close(struct files *f);                            /* after the server and the jobs have stopped */

/* An upload as whoever it belongs to may use it (a job that imports it): where it lies. ERR_NOT_FOUND. */
struct file_upload {
    struct str object, name; /* key in the store of objects; both in the arena */
    uint64_t size;
};
MUST_CHECK int file_upload_find(struct kernel *k, struct arena *a, const struct actor *by, struct str id,
                                struct file_upload *ret, struct error *e);
