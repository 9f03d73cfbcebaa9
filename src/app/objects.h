/* objects.h - the store of objects and the folder for exports on their way, as the settings say. */
#pragma once
#include "app/config.h"
#include "store/object.h"

#define APP_SECRET_MAX 300
/* "access:secret" of an S3 store from the first line of `file`, else from the variable of the environment, which then
 * forgets it. 1: it is in out, 0: none is given. */
int app_object_secret(const char *variable, const char *file, char out[APP_SECRET_MAX], struct error *e);
MUST_CHECK int app_objects_open(const struct config *c, struct object_store **ret, struct error *e);
/* <data>/spool, made and emptied; NULL with *e. Lives to the end of the process. */
const char *app_spool(const struct config *c, struct error *e);
