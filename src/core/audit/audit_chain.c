/* audit_chain.c - what is chained and signed, and whether it fits; no I/O.
 *
 *   hash(n)     SHA-256( hash(n-1) in hex | seq ';' at_us ';' status ';' | each field: length ';' bytes )
 *   checkpoint  Ed25519 over "bornite audit checkpoint 1\n<seq>\n<at_us>\n<hash>\n<digest of the one before>\n"
 *   digest      SHA-256( that text | signature )
 *   head        Ed25519 over "bornite audit head 1\n<begin>\n<its hash>\n<seq>\n<hash>\n<checkpoints>\n<digest of the
 *               newest>\n"; begin is the last record that was pruned (its checkpoint is kept)
 * The head makes the end of the log tell of itself: without the key nobody can take away the last records. */
#include <openssl/sha.h>
#include "core/audit/audit_int.h"

static void hex(const uint8_t raw[SHA256_DIGEST_LENGTH], char out[AUDIT_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        out[2 * i] = digits[raw[i] >> 4];
        out[2 * i + 1] = digits[raw[i] & 15];
    }
    out[AUDIT_HEX] = 0;
}

static void hash_i64(EVP_MD_CTX *h, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld;", (long long)v);
    EVP_DigestUpdate(h, text, (size_t)n);
}

void audit_link(char hash[AUDIT_HEX + 1], const struct audit_row *r)
{
    uint8_t raw[SHA256_DIGEST_LENGTH];
    EVP_MD_CTX *h = EVP_MD_CTX_new();
    if (!h || !EVP_DigestInit_ex(h, EVP_sha256(), NULL)) abort(); /* out of memory in the crypto library */
    EVP_DigestUpdate(h, hash, strlen(hash));
    hash_i64(h, r->seq);
    hash_i64(h, r->at_us);
    hash_i64(h, r->status);
    for (int i = 0; i < NFIELDS; i++) {
        hash_i64(h, (int64_t)r->field[i].n);
        EVP_DigestUpdate(h, r->field[i].p, r->field[i].n);
    }
    EVP_DigestFinal_ex(h, raw, NULL);
    EVP_MD_CTX_free(h);
    hex(raw, hash);
}

/* ------------------------------------------------------------------ signing */

#define TEXT_MAX 512

static int mark_text(const struct audit_mark *m, char out[TEXT_MAX])
{
    return snprintf(out, TEXT_MAX, "bornite audit checkpoint 1\n%lld\n%lld\n%s\n%s\n", (long long)m->seq,
                    (long long)m->at_us, m->hash, m->prev);
}

static int head_text(const struct audit_head *h, char out[TEXT_MAX])
{
    return snprintf(out, TEXT_MAX, "bornite audit head 1\n%lld\n%s\n%lld\n%s\n%lld\n%s\n", (long long)h->begin,
                    h->begin_hash, (long long)h->seq, h->hash, (long long)h->marks, h->mark);
}

void audit_mark_digest(const struct audit_mark *m, char out[AUDIT_HEX + 1])
{
    uint8_t raw[SHA256_DIGEST_LENGTH];
    char text[TEXT_MAX + SIGNATURE];
    size_t n = (size_t)mark_text(m, text);
    memcpy(text + n, m->sig, SIGNATURE);
    SHA256((const uint8_t *)text, n + SIGNATURE, raw);
    hex(raw, out);
}

static int sign(const struct audit_key *k, const char *text, int n, uint8_t sig[SIGNATURE])
{
    size_t len = SIGNATURE;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = c && k->key && EVP_DigestSignInit(c, NULL, NULL, NULL, k->key) == 1 &&
              EVP_DigestSign(c, sig, &len, (const uint8_t *)text, (size_t)n) == 1;
    EVP_MD_CTX_free(c);
    return ok && len == SIGNATURE ? 0 : ERR_INTERNAL;
}

static bool good(const struct audit_key *k, const char *text, int n, const uint8_t sig[SIGNATURE])
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = c && k->key && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k->key) == 1 &&
              EVP_DigestVerify(c, sig, SIGNATURE, (const uint8_t *)text, (size_t)n) == 1;
    EVP_MD_CTX_free(c);
    return ok;
}

int audit_mark_sign(const struct audit_key *k, struct audit_mark *m)
{
    char text[TEXT_MAX];
    return sign(k, text, mark_text(m, text), m->sig);
}

bool audit_mark_good(const struct audit_key *k, const struct audit_mark *m)
{
    char text[TEXT_MAX];
    return good(k, text, mark_text(m, text), m->sig);
}

int audit_head_sign(const struct audit_key *k, struct audit_head *h)
{
    char text[TEXT_MAX];
    return sign(k, text, head_text(h, text), h->sig);
}

bool audit_head_good(const struct audit_key *k, const struct audit_head *h)
{
    char text[TEXT_MAX];
    return good(k, text, head_text(h, text), h->sig);
}

int audit_key_public(const uint8_t public_[32], struct audit_key *ret)
{
    memcpy(ret->public_, public_, 32);
    ret->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_, 32);
    return ret->key ? 0 : ERR_CORRUPT;
}

int audit_key_private(const uint8_t private_[32], struct audit_key *ret)
{
    size_t n = 32;
    ret->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_, 32);
    if (!ret->key) return ERR_CORRUPT;
    return EVP_PKEY_get_raw_public_key(ret->key, ret->public_, &n) == 1 ? 0 : ERR_CORRUPT;
}

void audit_key_free(struct audit_key *k)
{
    EVP_PKEY_free(k->key);
    *k = (struct audit_key){.key = NULL};
}

/* ------------------------------------------------------------------ going along */

static bool bad(struct audit_walk *w, int64_t seq, const char *en, const char *zh)
{
    if (w->bad >= 0) return false;
    w->bad = seq;
    w->en = en;
    w->zh = zh;
    return false;
}

void audit_walk_begin(struct audit_walk *w, const struct audit_key *key, const struct audit_head *head)
{
    *w = (struct audit_walk){.key = key, .head = *head, .bad = -1, .seq = head->begin};
    memcpy(w->hash, head->begin_hash, sizeof(w->hash));
    if (!audit_head_good(key, head)) bad(w, 0, "the signature of the log's two ends is wrong", "日志首尾的签名不正确");
}

bool audit_walk_row(struct audit_walk *w, const struct audit_row *r, struct str hash)
{
    w->seq++;
    if (r->seq != w->seq) return bad(w, w->seq, "a record is missing or was put in between", "缺少记录或有插入的记录");
    audit_link(w->hash, r);
    if (!str_is(hash, w->hash))
        return bad(w, w->seq, "the record does not fit the one before: it has been changed",
                   "与前一条不衔接：已被改动");
    if (r->seq > w->head.seq)
        return bad(w, r->seq, "the record was added behind the signed end", "在签名的末尾之后被添加");
    return true;
}

/* The first is the one that pruning left, or has none before it. */
bool audit_walk_mark(struct audit_walk *w, const struct audit_mark *m)
{
    bool first = w->marks++ == 0;
    if (!audit_mark_good(w->key, m)) return bad(w, m->seq, "a checkpoint's signature is wrong", "检查点签名不正确");
    if (m->seq != w->seq || strcmp(m->hash, w->hash) != 0)
        return bad(w, m->seq, "a checkpoint does not fit the records", "检查点与记录不符");
    if (first ? (w->head.begin ? m->seq != w->head.begin : m->prev[0] != 0) : strcmp(m->prev, w->mark) != 0)
        return bad(w, m->seq, "a checkpoint is missing or was put in between", "缺少检查点或有插入的检查点");
    audit_mark_digest(m, w->mark);
    return true;
}

bool audit_walk_end(struct audit_walk *w)
{
    if (w->seq != w->head.seq || strcmp(w->hash, w->head.hash) != 0)
        return bad(w, w->seq + 1, "the last records are missing", "末尾的记录缺失");
    if (w->marks != w->head.marks || strcmp(w->mark, w->head.mark) != 0)
        return bad(w, w->seq, "checkpoints are missing", "检查点缺失");
    return w->bad < 0;
}
