/* backup_cli.h - `bornite backup list|verify` and `bornite restore`: backups without a server. */
#pragma once
int backup_main(int argc, char **argv);
int restore_main(int argc, char **argv);
