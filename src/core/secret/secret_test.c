/* Secrets: sealing and opening, everything that may be wrong with a sealed text, with a key file and with
 * a passphrase, rotation, another master key. */
#include <sys/stat.h>
#include <unistd.h>
#include "base/test.h"
#include "core/secret.h"

struct rig {
    struct sql *db;
    struct sim_clock clock;
    struct sim_rng rng;
    struct secrets *s;
    struct arena a;
    struct error e;
    char file[600];
};

static struct secrets_config config(struct rig *r)
{
    return (struct secrets_config){
        .db = r->db, .clock = &r->clock.clock, .rng = &r->rng.rng, .key_file = r->file, .cheap = true};
}

static bool rig_start(struct rig *r)
{
    *r = (struct rig){0};
    arena_init(&r->a, 16 << 20);
    sim_clock_init(&r->clock, 1790000000000000LL);
    sim_rng_init(&r->rng, 7);
    snprintf(r->file, sizeof r->file, "%.500s/secret.key", test_tmpdir());
    return sql_open("sqlite::memory:", &r->db, &r->e) == 0;
}

static int rig_secrets(struct rig *r)
{
    struct secrets_config c = config(r);
    r->e = (struct error){0};
    secrets_close(r->s);
    r->s = NULL;
    return secrets_open(&c, &r->s, &r->e);
}

static void rig_end(struct rig *r)
{
    secrets_close(r->s);
    sql_close(r->db);
    arena_fini(&r->a);
}

static struct str seal(struct rig *r, const char *about, const char *plain)
{
    struct str out = STR_NULL;
    CHECK_INT(secret_seal(r->s, &r->a, str_of(about), str_of(plain), &out, &r->e), 0);
    return out;
}

static int unseal(struct rig *r, const char *about, struct str sealed, struct str *ret)
{
    r->e = (struct error){0};
    return secret_unseal(r->s, &r->a, str_of(about), sealed, ret, &r->e);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");
    REQUIRE(f);
    fputs(text, f);
    fclose(f);
    CHECK_INT(chmod(path, mode), 0);
}

TEST(what_is_sealed_opens_again)
{
    struct rig r;
    struct str out;
    struct stat st;
    REQUIRE(rig_start(&r));
    REQUIRE(rig_secrets(&r) == 0);
    struct str sealed = seal(&r, "device/1/password", "geheim 秘密");
    CHECK(secret_is_sealed(sealed) && str_starts(sealed, STR("$s1$1$")));
    CHECK(!str_has(sealed, STR("geheim")));
    CHECK(secret_is_current(r.s, sealed));
    CHECK_INT(unseal(&r, "device/1/password", sealed, &out), 0);
    CHECK_STR(out, "geheim 秘密");
    CHECK(!str_eq(sealed, seal(&r, "device/1/password", "geheim 秘密"))); /* never twice the same */
    sealed = seal(&r, "x", "");
    CHECK_INT(unseal(&r, "x", sealed, &out), 0);
    CHECK_STR(out, "");
    CHECK_INT(unseal(&r, "x", STR("as it was"), &out), 0);
    CHECK_STR(out, "as it was");
    CHECK_INT(stat(r.file, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    CHECK_INT(rig_secrets(&r), 0); /* opened again */
    CHECK_INT(unseal(&r, "x", sealed, &out), 0);
    rig_end(&r);
}

TEST(without_secrets_texts_are_copied)
{
    struct rig r;
    struct str out, in = STR("plain");
    REQUIRE(rig_start(&r));
    CHECK_INT(secret_seal(NULL, &r.a, STR("x"), in, &out, NULL), 0);
    CHECK_STR(out, "plain");
    CHECK(out.p != in.p);
    CHECK_INT(secret_unseal(NULL, &r.a, STR("x"), STR("$s1$1$abc"), &out, NULL), 0);
    CHECK_STR(out, "$s1$1$abc");
    CHECK(!secret_is_current(NULL, out));
    rig_end(&r);
}

TEST(a_flipped_bit_anywhere_is_found)
{
    struct rig r;
    struct str out;
    REQUIRE(rig_start(&r));
    REQUIRE(rig_secrets(&r) == 0);
    struct str sealed = seal(&r, "a", "twelve bytes");
    for (size_t bit = 0; bit < sealed.n * 8; bit++) {
        struct str bad = arena_str(&r.a, sealed);
        ((char *)bad.p)[bit / 8] ^= (char)(1 << bit % 8);
        int rc = unseal(&r, "a", bad, &out);
        if (secret_is_sealed(bad)) /* else it is a text that was never sealed */
            CHECK_INT(rc, ERR_CORRUPT);
        else
            CHECK(!rc && str_eq(out, bad));
    }
    for (size_t n = 4; n < sealed.n; n++) CHECK_INT(unseal(&r, "a", str_sub(sealed, 0, n), &out), ERR_CORRUPT);
    rig_end(&r);
}

TEST(a_sealed_text_belongs_to_its_place)
{
    struct rig r;
    struct str out;
    REQUIRE(rig_start(&r));
    REQUIRE(rig_secrets(&r) == 0);
    struct str one = seal(&r, "device/1/password", "one"), two = seal(&r, "device/2/password", "two");
    CHECK_INT(unseal(&r, "device/1/password", two, &out), ERR_CORRUPT);
    CHECK_INT(unseal(&r, "device/2/password", one, &out), ERR_CORRUPT);
    CHECK(strstr(r.e.text, "device/2/password") && strstr(r.e.text_zh, "device/2/password"));
    CHECK(!strstr(r.e.text, "one"));
    CHECK_INT(unseal(&r, "", one, &out), ERR_CORRUPT);
    char *zero = arena_printf(&r.a, "$s1$01$%.*s", STR_ARG(str_sub(one, 6, one.n))); /* another way to write it */
    CHECK_INT(unseal(&r, "device/1/password", str_of(zero), &out), ERR_CORRUPT);
    char *other = arena_printf(&r.a, "$s1$2$%.*s", STR_ARG(str_sub(one, 6, one.n)));
    CHECK_INT(unseal(&r, "device/1/password", str_of(other), &out), ERR_CORRUPT);
    rig_end(&r);
}

TEST(rotation_keeps_what_is_there)
{
    struct rig r;
    struct str out;
    struct secret_key_info keys[4];
    REQUIRE(rig_start(&r));
    REQUIRE(rig_secrets(&r) == 0);
    struct str before = seal(&r, "a", "old");
    sim_clock_advance(&r.clock, 1000000);
    CHECK_INT(secrets_rotate(r.s, &r.e), 0);
    struct str after = seal(&r, "a", "new");
    CHECK_INT(secret_key_number(before), 1);
    CHECK_INT(secret_key_number(after), 2);
    CHECK(!secret_is_current(r.s, before) && secret_is_current(r.s, after));
    REQUIRE(rig_secrets(&r) == 0);
    CHECK_INT(unseal(&r, "a", before, &out), 0);
    CHECK_STR(out, "old");
    CHECK_INT(unseal(&r, "a", after, &out), 0);
    CHECK_STR(out, "new");
    CHECK_INT(secrets_keys(r.s, keys, 4), 2);
    CHECK_INT(keys[1].created_us - keys[0].created_us, 1000000);
    for (int i = 0; i < 40; i++) CHECK_INT(secrets_rotate(r.s, &r.e), 0);
    CHECK_INT(unseal(&r, "a", before, &out), 0);
    rig_end(&r);
}

TEST(a_key_file_that_is_not_right_is_named_with_the_remedy)
{
    static const struct {
        const char *text;
        mode_t mode;
        int rc;
        const char *says;
    } bad[] = {
        {"", 0600, ERR_CORRUPT, "empty"},
        {"\n \n", 0600, ERR_CORRUPT, "empty"},
        {"bornite-key-1 0011", 0600, ERR_CORRUPT, "4 of 64"},
        {"bornite-key-1 zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0600, ERR_CORRUPT,
         "hexadecimal"},
        {"something else\n", 0600, ERR_CORRUPT, "no key file"},
        {"bornite-key-1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0600, ERR_CORRUPT,
         "another one"},
        {"bornite-key-1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0644, ERR_FORBIDDEN,
         "chmod 600"},
        {"bornite-key-1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0640, ERR_FORBIDDEN,
         "chmod 600"},
    };
    struct rig r;
    REQUIRE(rig_start(&r));
    REQUIRE(rig_secrets(&r) == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(r.file, bad[i].text, bad[i].mode);
        CHECK_INT(rig_secrets(&r), bad[i].rc);
        if (!strstr(r.e.text, bad[i].says)) test_fail(__FILE__, __LINE__, "%zu: %s", i, r.e.text);
        CHECK(r.e.text_zh[0] && !strstr(r.e.text, "001122334455"));
    }
    unlink(r.file);
    CHECK_INT(rig_secrets(&r), ERR_CORRUPT);
    CHECK(strstr(r.e.text, "missing"));
    CHECK_INT(access(r.file, F_OK), -1); /* not made anew */
    CHECK_INT(mkdir(r.file, 0700), 0);
    CHECK_INT(rig_secrets(&r), ERR_INVALID);
    rig_end(&r);
}

TEST(a_file_that_may_not_be_read_or_made)
{
    struct rig r;
    REQUIRE(rig_start(&r));
    snprintf(r.file, sizeof r.file, "%.400s/no/such/secret.key", test_tmpdir());
    CHECK_INT(rig_secrets(&r), ERR_NOT_FOUND);
    CHECK(strstr(r.e.text, "cannot be made"));
    snprintf(r.file, sizeof r.file, "%.400s/secret.key", test_tmpdir());
    write_file(r.file, "bornite-key-1 0", 0000);
    if (geteuid() != 0) {
        CHECK_INT(rig_secrets(&r), ERR_FORBIDDEN);
        CHECK(strstr(r.e.text, "cannot be read"));
    }
    rig_end(&r);
}

TEST(a_made_key_file_is_the_only_thing_left)
{
    struct rig r;
    char temporary[700];
    REQUIRE(rig_start(&r));
    snprintf(temporary, sizeof temporary, "%s.new", r.file);
    write_file(temporary, "left by a crash", 0644);
    CHECK_INT(rig_secrets(&r), 0);
    CHECK_INT(access(temporary, F_OK), -1);
    rig_end(&r);
}

static int open_by(struct rig *r, const char *passphrase)
{
    struct secrets_config c = config(r);
    c.passphrase = passphrase;
    r->e = (struct error){0};
    secrets_close(r->s);
    r->s = NULL;
    return secrets_open(&c, &r->s, &r->e);
}

TEST(a_passphrase_instead_of_the_file)
{
    struct rig r;
    struct str out;
    REQUIRE(rig_start(&r));
    CHECK_INT(open_by(&r, "short"), ERR_INVALID);
    CHECK_INT(open_by(&r, ""), ERR_INVALID);
    REQUIRE(open_by(&r, "four unrelated words") == 0);
    CHECK(secrets_by_passphrase(r.s));
    CHECK_INT(access(r.file, F_OK), -1);
    struct str sealed = seal(&r, "a", "text");
    CHECK_INT(open_by(&r, "five unrelated words"), ERR_CORRUPT);
    CHECK(strstr(r.e.text, "passphrase"));
    CHECK_INT(rig_secrets(&r), ERR_INVALID);
    CHECK(strstr(r.e.text, "--secret-passphrase-file"));
    REQUIRE(open_by(&r, "four unrelated words") == 0);
    CHECK_INT(unseal(&r, "a", sealed, &out), 0);
    CHECK_STR(out, "text");
    rig_end(&r);
}

TEST(another_master_key)
{
    struct rig r;
    struct str out;
    REQUIRE(rig_start(&r));
    REQUIRE(rig_secrets(&r) == 0);
    struct str sealed = seal(&r, "a", "text");
    CHECK_INT(secrets_rotate(r.s, &r.e), 0);
    struct secrets_config to = config(&r);
    to.passphrase = "four unrelated words";
    CHECK_INT(secrets_rekey(r.s, &to, &r.e), 0);
    CHECK_INT(secrets_rotate(r.s, &r.e), 0); /* under the new one */
    CHECK_INT(rig_secrets(&r), ERR_INVALID);
    REQUIRE(open_by(&r, "four unrelated words") == 0);
    CHECK_INT(unseal(&r, "a", sealed, &out), 0);
    char second[600];
    snprintf(second, sizeof second, "%.590s.2", r.file);
    to = config(&r);
    to.key_file = second;
    CHECK_INT(secrets_rekey(r.s, &to, &r.e), 0);
    CHECK_INT(rig_secrets(&r), ERR_CORRUPT); /* the first file opens nothing now */
    snprintf(r.file, sizeof r.file, "%s", second);
    REQUIRE(rig_secrets(&r) == 0);
    CHECK_INT(unseal(&r, "a", sealed, &out), 0);
    CHECK_STR(out, "text");
    rig_end(&r);
}

TEST(a_changed_data_key_is_refused)
{
    struct rig r;
    struct sql_tx *tx;
    REQUIRE(rig_start(&r));
    REQUIRE(rig_secrets(&r) == 0);
    CHECK_INT(secrets_rotate(r.s, &r.e), 0);
    REQUIRE(sql_begin(r.db, true, &tx, &r.e) == 0);
    CHECK_INT(sql_exec(tx, &r.e, "update secret_key set sealed = (select sealed from secret_key where number = 1)", ""),
              0);
    REQUIRE(sql_commit(tx, &r.e) == 0);
    CHECK_INT(rig_secrets(&r), ERR_CORRUPT); /* key 1 does not pass for key 2 */
    CHECK(strstr(r.e.text, "data key 2"));
    rig_end(&r);
}
