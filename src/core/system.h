/* system.h - what the program tells about itself: GET /api/v1/system/info and /api/v1/licences. */
#pragma once
#include "core/api.h"
#include "io/fs.h"

struct system_info { /* all but `database` live on */
    const char *database; /* URL; shown without its password */
    const char *data_path, *build /* "release" */, *roles /* "all" */;
    struct fs *data;
};
struct system_routes;
MUST_CHECK int system_info_add(struct api *api, const struct system_info *info, struct system_routes **ret,
                               struct error *e);
void system_info_free(struct system_routes *r); /* after the server has stopped */
