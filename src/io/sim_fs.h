/* sim_fs.h - the simulated twin of the file layer: files in memory, which tests can break.
 *
 * It keeps apart what is synced and what is not. A write is durable after sync of its file; a name
 * (create, rename, remove, mkdir) after sync_dir of the directory that holds it, not before, even when
 * the file itself was synced. sim_fs_power_cut gives one of the many states in which a disk may be found
 * after the power went: any subset of the unsynced name changes, any subset of the 512-byte sectors of
 * the unsynced writes; sectors past the synced end that did not make it read as zeros or as rubbish.
 * Threads: any; one lock inside. Ownership: every handle must be closed before its fs is destroyed. */
#pragma once
#include "io/fs.h"

enum sim_fs_call {
    SIM_FS_OPEN,
    SIM_FS_PREAD,
    SIM_FS_PWRITE,
    SIM_FS_SYNC,
    SIM_FS_TRUNCATE,
    SIM_FS_RENAME,
    SIM_FS_REMOVE,
    SIM_FS_MKDIR,
    SIM_FS_SYNC_DIR,
    SIM_FS_LIST,
    SIM_FS_ANY, /* any of them */
    SIM_FS_CALLS
};

struct fs *sim_fs_new(void); /* NULL when out of memory; free with fs_destroy */
/* The nth call of this kind from now on (1: the next) fails with `err` (ERR_IO, ERR_DISK_FULL), once or
 * from there on; a failing pwrite leaves a random part written, a failing sync makes a random part
 * durable and forgets that the rest was dirty (as kernels do). nth 0 switches off. */
void sim_fs_fail(struct fs *fs, enum sim_fs_call call, uint64_t nth, int err, bool sticky);
uint64_t sim_fs_count(struct fs *fs, enum sim_fs_call call); /* calls so far */
void sim_fs_capacity(struct fs *fs, int64_t bytes);          /* of all files together; 0: no limit (default) */
/* The power goes after n more changing calls (pwrite, sync, truncate, rename, remove, mkdir, sync_dir,
 * creating open): from then on every call fails with ERR_IO and changes nothing. */
void sim_fs_power_off_after(struct fs *fs, uint64_t n);
/* A new fs as it could look after a power cut now; `fs` stays as it is. The same seed, the same state. */
struct fs *sim_fs_power_cut(struct fs *fs, uint64_t seed);
struct fs *sim_fs_clone(struct fs *fs); /* all of it, everything durable */
/* Damage behind the owner's back (bit rot): set bytes, or cut. ERR_NOT_FOUND, ERR_INVALID (range). */
int sim_fs_poke(struct fs *fs, const char *path, int64_t at, const void *p, size_t n);
int sim_fs_chop(struct fs *fs, const char *path, int64_t size);
