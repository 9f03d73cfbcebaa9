/* config.h - settings of the program: one table, read from the command line, the environment
 * (BORNITE_<NAME>) and a JSON file, in that order of precedence; also the source of `bornite help`. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "io/fs.h"

struct config {
    const char *data;        /* data directory */
    const char *database;    /* URL; NULL: kernel.db in the data directory */
    const char *objects;     /* URL; NULL: objects in the data directory */
    const char *objects_secret_file; /* "access:secret" of an S3 store */
    const char *warm, *cold; /* where old history moves: a directory; cold also s3+https://…; NULL: it stays */
    const char *cold_secret_file; /* "access:secret" of that */
    long cold_cache_mb;
    const char *listen;      /* address */
    long port;
    const char *tls_cert, *tls_key;
    const char *secret_key_file, *secret_passphrase_file; /* core/secret.h; key file NULL: <data>/secret.key */
    const char *log;         /* level */
    long shards, workers;
    long commit_ms;
    long journal_mb;
    const char *sim_host;    /* where the demo group is played */
    long sim_port;
    bool demo;
    const char *file;        /* the JSON file */
};
/* Reads all three; texts live until the end of the process. ERR_INVALID names the setting. */
MUST_CHECK int config_read(struct config *c, int argc, char **argv, struct error *e);
/* All settings as the JSON file that would give them, without passwords: `settings.json` of the data directory, which
 * backups take along. */
MUST_CHECK int config_save(const struct config *c, struct fs *fs, struct error *e);
void config_help(void);      /* the table on stdout */
