/* keys.h - the secrets of a node opened as its settings say: a passphrase (file or environment) or the key
 * file, by default <data>/secret.key. */
#pragma once
#include "app/config.h"
#include "core/secret.h"

MUST_CHECK int app_secrets_open(const struct config *c, struct sql *db, struct secrets **ret, struct error *e);
