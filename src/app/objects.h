/* objects.h - the store of objects and the folder for exports on their way, as the settings say. */
#pragma once
#include "app/config.h"
#include "store/object.h"

MUST_CHECK int app_objects_open(const struct config *c, struct object_store **ret, struct error *e);
/* <data>/spool, made and emptied; NULL with *e. Lives to the end of the process. */
const char *app_spool(const struct config *c, struct error *e);
