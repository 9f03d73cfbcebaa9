/* restore.h - for tests: the files of a snapshot written into an empty store directory. */
#pragma once
#include "base/test.h"
#include "io/fs.h"
#include "model/ts_admin.h"

__attribute__((unused)) static void restore_file(struct ts_snapshot *s, size_t i, struct fs *to)
{
    static uint8_t buf[1000]; /* odd, so that pieces do not end where anything ends */
    struct fs_file *f = NULL;
    int64_t at = 0, got;
    CHECK_INT(fs_open(to, s->files[i].name, FS_WRITE | FS_CREATE | FS_EXCL, &f), 0);
    if (!f) return;
    while ((got = s->ops->read(s, i, buf, sizeof buf, at)) > 0) {
        CHECK_INT(fs_pwrite(f, buf, (size_t)got, at), 0);
        at += got;
    }
    CHECK_INT(got, 0);
    CHECK_INT(at, s->files[i].bytes);
    CHECK_INT(fs_sync(f), 0);
    fs_close(f);
}

__attribute__((unused)) static void restore_all(struct ts_snapshot *s, struct fs *to)
{
    CHECK_INT(to->ops->mkdir(to, "ts"), 0);
    CHECK_INT(to->ops->mkdir(to, "ts/blobs"), 0);
    for (size_t i = 0; i < s->nfiles; i++) restore_file(s, i, to);
    CHECK_INT(to->ops->sync_dir(to, "ts/blobs"), 0);
    CHECK_INT(to->ops->sync_dir(to, "ts"), 0);
    CHECK_INT(to->ops->sync_dir(to, ""), 0);
}
