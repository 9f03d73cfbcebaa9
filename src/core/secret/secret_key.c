/* secret_key.c - the master key: from a file, or derived from a passphrase.
 *
 * The file is one line, "bornite-key-1 " and 64 hexadecimal digits. It is written at the first start only:
 * beside its place with mode 0600, synced, renamed, the folder synced; so it is whole or not there. It must
 * not be readable by others than its owner. A passphrase goes through argon2id; cost and salt stand with
 * the data keys. Nothing secret stays on the stack. */
#include <argon2.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/encode.h"
#include "base/utf8.h"
#include "core/secret/secret_int.h"

#define HEAD "bornite-key-1 "
#define FILE_MAX 4096
#define PATH_BYTES 4096
#define PASSPHRASE_MIN 12
#define ARGON_PASSES 3
#define ARGON_KIB 65536
#define SALT_BYTES 16

static int file_fault(const char *file, int code, const char *en, const char *zh, struct error *e)
{
    return error_set(e, code, file, "%s%.0s", "%.0s%s", en, zh);
}

/* ------------------------------------------------------------------ the file */

static int parse_key(const char *file, struct str text, struct master *m, struct error *e)
{
    struct buf b;
    text = str_trim(text);
    if (!text.n)
        return file_fault(file, ERR_CORRUPT, "the key file is empty; restore it from a backup",
                          "密钥文件为空；请从备份恢复", e);
    if (!str_starts(text, STR(HEAD)))
        return file_fault(file, ERR_CORRUPT, "is no key file of bornite; restore it from a backup",
                          "不是 bornite 的密钥文件；请从备份恢复", e);
    text = str_sub(text, sizeof HEAD - 1, text.n);
    if (text.n != 2 * KEY_BYTES)
        return error_set(e, ERR_CORRUPT, file,
                         "the key file has %zu of 64 digits: it is damaged; restore it from a backup",
                         "密钥文件只有 %zu 位（应为 64 位），已损坏；请从备份恢复", text.n);
    buf_init(&b, KEY_BYTES);
    int rc = hex_decode(&b, text);
    if (!rc && b.n == KEY_BYTES) memcpy(m->key, b.p, KEY_BYTES);
    if (b.p) OPENSSL_cleanse(b.p, b.cap);
    buf_fini(&b);
    return rc ? file_fault(file, ERR_CORRUPT, "the key file holds characters that are no hexadecimal digits",
                           "密钥文件含有非十六进制字符", e)
              : 0;
}

static int check_file(int fd, const char *file, struct error *e)
{
    struct stat st;
    if (fstat(fd, &st)) return error_set(e, error_from_errno(-errno), file, "cannot be examined", "无法检查");
    if (!S_ISREG(st.st_mode))
        return file_fault(file, ERR_INVALID, "the key file must be a plain file", "密钥文件必须是普通文件", e);
    if (st.st_mode & 077)
        return error_set(e, ERR_FORBIDDEN, file,
                         "the key file may be read by others (mode %04o); run: chmod 600 on it, and consider its "
                         "content known",
                         "密钥文件可被他人读取（权限 %04o）；请执行 chmod 600，并视其内容已泄露",
                         (unsigned)st.st_mode & 07777);
    return 0;
}

static int read_key(int fd, const char *file, struct master *m, struct error *e)
{
    char text[FILE_MAX];
    size_t n = 0;
    ssize_t got = 0;
    int rc = check_file(fd, file, e);
    if (rc) return rc;
    while (n < sizeof text && (got = read(fd, text + n, sizeof text - n)) > 0) n += (size_t)got;
    rc = got < 0 ? error_set(e, ERR_IO, file, "the key file cannot be read", "无法读取密钥文件")
                 : parse_key(file, str_make(text, n), m, e);
    OPENSSL_cleanse(text, sizeof text);
    return rc;
}

static int sync_folder(const char *file)
{
    char folder[PATH_BYTES];
    const char *slash = strrchr(file, '/');
    size_t n = slash == file ? 1 : slash ? (size_t)(slash - file) : 0;
    snprintf(folder, sizeof folder, "%.*s", n ? (int)n : 1, n ? file : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int rc = fsync(fd) ? -errno : 0;
    close(fd);
    return rc;
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0) return -errno;
        p += done;
        n -= (size_t)done;
    }
    return fsync(fd) ? -errno : 0;
}

static int write_file(const char *file, const char *temporary, const char *text, size_t n)
{
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return -errno;
    int rc = write_all(fd, text, n);
    if (close(fd) && !rc) rc = -errno;
    if (!rc && rename(temporary, file)) rc = -errno;
    if (rc)
        unlink(temporary);
    else
        rc = sync_folder(file);
    return rc;
}

static int make_file(const struct secrets_config *cfg, struct master *m, struct error *e)
{
    char temporary[PATH_BYTES];
    struct buf b;
    if (snprintf(temporary, sizeof temporary, "%s.new", cfg->key_file) >= (int)sizeof temporary)
        return file_fault(cfg->key_file, ERR_INVALID, "the path is too long", "路径过长", e);
    cfg->rng->bytes(cfg->rng->ctx, m->key, KEY_BYTES);
    buf_init(&b, 256);
    (void)buf_space(&b, 128); /* one block, so that nothing secret is left behind by growing */
    buf_z(&b, HEAD);
    hex_encode(&b, m->key, KEY_BYTES);
    buf_z(&b, "\n");
    int rc = b.err ? ERR_NOMEM : write_file(cfg->key_file, temporary, (const char *)b.p, b.n);
    if (b.p) OPENSSL_cleanse(b.p, b.cap);
    buf_fini(&b);
    if (!rc) return 0;
    return error_set(e, error_from_errno(rc), cfg->key_file, "the key file cannot be made: %s", "无法创建密钥文件：%s",
                     strerror(-rc));
}

static int from_file(const struct secrets_config *cfg, bool make, struct master *m, struct error *e)
{
    int fd = open(cfg->key_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT && make) return make_file(cfg, m, e);
    if (fd < 0 && errno == ENOENT)
        return file_fault(
            cfg->key_file, ERR_CORRUPT,
            "the key file is missing but the store holds secrets sealed with it; restore it from a backup",
            "密钥文件缺失，而数据库中有用它加密的内容；请从备份恢复", e);
    if (fd < 0)
        return error_set(e, error_from_errno(-errno), cfg->key_file,
                         "the key file cannot be read (%s); it must belong to the user that runs bornite, mode 600",
                         "无法读取密钥文件（%s）；它必须属于运行 bornite 的用户，权限为 600", strerror(errno));
    int rc = read_key(fd, cfg->key_file, m, e);
    close(fd);
    return rc;
}

/* ------------------------------------------------------------------ the passphrase */

static int new_note(const struct secrets_config *cfg, char note[MASTER_NOTE_MAX])
{
    uint8_t salt[SALT_BYTES];
    struct buf b;
    cfg->rng->bytes(cfg->rng->ctx, salt, sizeof salt);
    buf_init(&b, MASTER_NOTE_MAX - 1);
    buf_printf(&b, "argon2id:%d:%d:", cfg->cheap ? 1 : ARGON_PASSES, cfg->cheap ? 64 : ARGON_KIB);
    hex_encode(&b, salt, sizeof salt);
    int rc = b.err;
    str_to_cstr(buf_view(&b), note, MASTER_NOTE_MAX);
    buf_fini(&b);
    return rc;
}

/* "argon2id:3:65536:<hex>" taken apart; false: it is not that. */
static bool read_note(const char *note, int64_t *passes, int64_t *kib, struct buf *salt)
{
    struct str rest = str_of(note);
    return str_is(str_cut(&rest, ':'), "argon2id") && !str_to_i64(str_cut(&rest, ':'), passes) && *passes >= 1 &&
           *passes <= 100 && !str_to_i64(str_cut(&rest, ':'), kib) && *kib >= 8 && *kib <= 4 << 20 &&
           !hex_decode(salt, rest) && salt->n >= 8;
}

static int derive(const char *passphrase, const char *note, uint8_t key[KEY_BYTES], struct error *e)
{
    int64_t passes = 0, kib = 0;
    struct buf salt;
    buf_init(&salt, 64);
    int rc = 0;
    if (!read_note(note, &passes, &kib, &salt))
        rc = error_set(e, ERR_CORRUPT, "secret_key", "the note of how the master key is derived is damaged",
                       "主密钥的派生参数已损坏");
    else if (argon2id_hash_raw((uint32_t)passes, (uint32_t)kib, 1, passphrase, strlen(passphrase), salt.p, salt.n, key,
                               KEY_BYTES) != ARGON2_OK)
        rc = error_set(e, ERR_NOMEM, "secret_key", "there is no memory to derive the master key",
                       "内存不足，无法派生主密钥");
    buf_fini(&salt);
    return rc;
}

static int from_passphrase(const struct secrets_config *cfg, const char *note, struct master *m, struct error *e)
{
    if (!*note && utf8_len(str_of(cfg->passphrase)) < PASSPHRASE_MIN)
        return error_set(e, ERR_INVALID, "secret-passphrase", "the passphrase needs at least %d characters",
                         "口令至少需要 %d 个字符", PASSPHRASE_MIN);
    int rc = *note ? 0 : new_note(cfg, m->note);
    if (*note) str_to_cstr(str_of(note), m->note, sizeof m->note);
    return rc ? rc : derive(cfg->passphrase, m->note, m->key, e);
}

int master_get(const struct secrets_config *cfg, const char *note, struct master *ret, struct error *e)
{
    bool by_file = strcmp(note, "file") == 0;
    if (cfg->passphrase && by_file)
        return error_set(e, ERR_INVALID, "secret-passphrase",
                         "the secrets of this store are under a key file; start without a passphrase",
                         "此数据库的机密由密钥文件保护；请勿提供口令");
    if (!cfg->passphrase && *note && !by_file)
        return error_set(e, ERR_INVALID, "secret-passphrase",
                         "the secrets of this store are under a passphrase; give it with --secret-passphrase-file",
                         "此数据库的机密由口令保护；请用 --secret-passphrase-file 提供");
    *ret = (struct master){.note = "file"};
    return cfg->passphrase ? from_passphrase(cfg, note, ret, e) : from_file(cfg, !*note, ret, e);
}
