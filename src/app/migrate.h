/* migrate.h - `bornite migrate --from URL --to URL [--dry-run]`. */
#pragma once
int migrate_main(int argc, char **argv);
