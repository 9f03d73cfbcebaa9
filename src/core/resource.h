/* resource.h - the resource engine: everything people configure, in one envelope with one set of
 * operations, on the relational store.
 *
 * A change is one transaction: schema, references, uniqueness, revision, history and watch entry
 * together; it returns after the commit is durable; then watchers are told, in order of `seq`.
 * Any thread. Blocking (SQL): worker threads only, never a loop. */
#pragma once
#include "base/json.h"
#include "io/clock.h"
#include "core/permission.h"
#include "model/kind.h"
#include "store/sql.h"

struct kernel;
struct secrets; /* core/secret.h */

struct resource {
    struct str kind, id;             /* id: UUIDv7 */
    uint32_t num;                    /* dense number of a numbered kind, else 0 */
    struct str code, name, org, state, origin, created_by, updated_by; /* org: id of a resource of kind `org`, or "" */
    int64_t rev, created_us, updated_us;
    const struct json *labels, *spec; /* objects; secrets are in spec, resource_write gives null for them */
    const struct kind *schema;        /* of its kind; NULL when the kind is not registered */
    const struct json *refs;          /* {"device": {"id","code","name"}}, lists for lists; get and list fill it */
    const struct json *org_ref;       /* {"id","code","name"} of its organisation; get and list fill it, or NULL */
    bool deleted;                     /* a tombstone (resource_at_rev, resource_find, the bin) */
};

enum change_op { CHANGE_CREATE, CHANGE_UPDATE, CHANGE_DELETE };
struct change {                       /* what watchers get */
    int64_t seq;                      /* global, ascending */
    enum change_op op;
    struct str kind, id, code, org;
    uint32_t num;
    int64_t rev;
};

/* Hooks of a module for its kind. Run inside the change's transaction on the caller's thread. */
struct kind_hooks {
    const char *kind;
    /* old NULL: create; new NULL: delete. May refuse with an error; may read through `tx`. */
    int (*validate)(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old, const struct resource *new_, struct error *e);
    /* A batch has been committed (after the fact, outside the transaction, in order, serialised). */
    void (*changed)(void *ctx, struct kernel *k, const struct change *c, size_t n);
    void *ctx;
};

/* Who acts: from the API's session or a part of the system. */
struct actor {
    char user_id[37];                 /* "" for the system */
    char login[64];                   /* "system", "admin" … */
    const struct permissions *may;    /* NULL: everything (the system) */
    char token_id[37];                /* of the API token that he acts by, or "" */
    const char *role_ids;             /* of his roles, with a comma between; NULL: none. Lives as long as may */
};
extern const struct actor actor_system;

/* Inside validate hooks: who makes the change of this thread; NULL elsewhere. */
const struct actor *resource_changer(void);
/* May he read it: organisation and kind, and owner of what belongs to somebody. */
bool resource_visible(const struct actor *by, const struct resource *r);

MUST_CHECK int kernel_open(struct sql *db, const struct clock *c, const struct rng *r, struct kernel **ret, struct error *e);
void kernel_close(struct kernel *k);
struct sql *kernel_sql(struct kernel *k);
const struct clock *kernel_clock(struct kernel *k);
const struct rng *kernel_rng(struct kernel *k);
/* Secret fields are sealed in the store from then on and opened when read. Before the first resource is read. */
void kernel_secrets_set(struct kernel *k, struct secrets *s);
struct secrets *kernel_secrets(struct kernel *k);
/* Seal all secret fields again that are not under the newest data key, revisions of the past too; in batches.
 * go_on (may be NULL) is told after each batch and may end it: ERR_CANCELLED. */
MUST_CHECK int kernel_secrets_reseal(struct kernel *k, bool (*go_on)(void *ctx, size_t seen), void *ctx, size_t *ret_changed, struct error *e);
/* How many stored secrets stand under each data key: counts[i][0] the number (0: not sealed), [1] is added to. */
MUST_CHECK int kernel_secrets_count(struct kernel *k, int64_t (*counts)[2], size_t n, struct error *e);

/* Who keeps attachments, for fields of type file (resource/file_field.c). Set once, before there are changes; f lives on. */
struct kernel_files {
    /* Is it an attachment of that resource, or an upload of `by`? Reads only. ERR_NOT_FOUND: neither. */
    int (*has)(void *ctx, struct sql_tx *tx, const struct actor *by, struct str resource, struct str file, struct error *e);
    /* `r` was stored: an upload becomes its attachment; nothing to do for what is one. */
    int (*take)(void *ctx, struct sql_tx *tx, const struct resource *r, struct str field, struct str file, struct error *e);
    void *ctx;
};
void kernel_files_set(struct kernel *k, const struct kernel_files *f);
/* A field of it names that file; where: "spec.photo". */
bool resource_holds_file(const struct resource *r, struct str file, char where[ERROR_WHERE_MAX]);

/* Kinds: registered at start from embedded documents, before anything else. */
MUST_CHECK int kernel_kind_add(struct kernel *k, struct str document, struct error *e);
MUST_CHECK int kernel_hooks_add(struct kernel *k, const struct kind_hooks *h);
const struct kind *kernel_kind(struct kernel *k, struct str kind_or_plural); /* NULL: unknown */
const struct kind *kernel_kind_at(struct kernel *k, size_t i);               /* NULL past the end */

/* Reads. id_or_code: UUID or code. */
MUST_CHECK int resource_get(struct kernel *k, struct arena *a, const char *kind, struct str id_or_code, struct resource *ret, struct error *e);
/* As `by` sees it: what he may not read is ERR_NOT_FOUND; a code that several organisations have and that he
 * may read in more than one of them is ERR_CONFLICT. `deleted`: tombstones too. */
MUST_CHECK int resource_find(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code, bool deleted, struct resource *ret, struct error *e);
/* The same within a transaction, by id or code, for everybody, without refs. */
MUST_CHECK int resource_find_in(struct kernel *k, struct sql_tx *tx, struct arena *a, const char *kind, struct str id_or_code, struct resource *ret, struct error *e);
MUST_CHECK int resource_by_num(struct kernel *k, struct arena *a, const char *kind, uint32_t num, struct resource *ret, struct error *e);
struct list_query {
    const char *kind;
    struct str filter;                /* "device='X' and period<'5s' and (name~'温度' or labels.line='1')"; grammar in README */
    struct str text;                  /* q: substring of code, name, labels, text columns; Chinese also by pinyin letters (search.c) */
    struct str sort;                  /* "-updated_at,code"; default code */
    size_t offset, limit;             /* limit 0: 50; at most LIMIT_PAGE */
    struct str after;                 /* cursor of the page before instead of offset; with the same sort */
    bool count;                       /* also the total */
    const struct actor *by;           /* only what he may read; NULL: all */
    bool deleted;                     /* the tombstones instead (bin) */
};
struct list_page { struct resource *items; size_t n; int64_t total; struct str next; /* cursor or NULL */ bool more_than_total; /* the total is a lower bound: counting ended there */ };
MUST_CHECK int resource_list(struct kernel *k, struct arena *a, const struct list_query *q, struct list_page *ret, struct error *e);
/* What matters of many: number, code, name and some fields of spec as text (empty where there is none; a boolean is
 * "1" or "true"), without reading the documents, in no order. Of the query kind, filter, text and `by` count. The texts
 * die after fn; non-zero from it ends the reading and is returned. Fields are names out of the code, not of a user. */
#define BRIEF_FIELDS 4
struct brief {
    uint32_t num;
    struct str code, name, field[BRIEF_FIELDS];
};
MUST_CHECK int resource_list_brief(struct kernel *k, const struct list_query *q, const char *const *fields, size_t n, int (*fn)(void *ctx, const struct brief *b), void *ctx, struct error *e);
/* The texts that `q` looks through, for rows stored before there were any or whose kind shows other columns now. When
 * all kinds are known, before the server starts; returns at once when nothing is to do. */
MUST_CHECK int kernel_search_build(struct kernel *k, struct error *e);
/* All of a kind, streaming, in order of num (numbered) or id; fn non-zero stops. The resource dies after fn. */
MUST_CHECK int resource_each(struct kernel *k, const char *kind, int (*fn)(void *ctx, const struct resource *r), void *ctx, struct error *e);

/* Changes. expect_rev: -1 = whatever it is; else ERR_CONFLICT when the stored revision differs (the text
 * tells both, and who changed it). */
struct resource_input {               /* members {NULL,0} / NULL are left alone by patch and defaulted by create/replace */
    struct str code, name, org;
    const struct json *labels, *spec;
    /* Optional: all faults of the spec, not just the first (which *e gets anyway). */
    struct error *faults;
    size_t faults_max;
    size_t *ret_faults;               /* set on ERR_INVALID; not touched otherwise */
};
MUST_CHECK int resource_create(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, const struct resource_input *in, struct resource *ret, struct error *e);
MUST_CHECK int resource_replace(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code, int64_t expect_rev, const struct resource_input *in, struct resource *ret, struct error *e);
MUST_CHECK int resource_patch(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code, int64_t expect_rev, const struct resource_input *in /* labels and spec are merge patches */, struct resource *ret, struct error *e);
MUST_CHECK int resource_delete(struct kernel *k, const struct actor *by, const char *kind, struct str id_or_code, int64_t expect_rev, struct error *e); /* tombstone; ERR_REFERENCED names who refers */

/* Many changes in one transaction: all or nothing, or each on its own (rows that fail are reported). */
enum bulk_op { BULK_CREATE, BULK_UPSERT /* by code */, BULK_PATCH, BULK_DELETE };
struct bulk_item { enum bulk_op op; struct str id_or_code; int64_t expect_rev; struct resource_input in; };
enum bulk_status { BULK_CREATED, BULK_UPDATED, BULK_UNCHANGED, BULK_DELETED, BULK_FAILED };
struct bulk_result {
    enum bulk_status status;
    struct error err;                 /* when failed */
    size_t line;                      /* line of the CSV text, from 1; bulk: index of the item, from 0 */
    struct str code;
};
/* items: bulk gives one per item in their order; import gives at most BULK_REPORT_FAILED failed rows and
 * BULK_REPORT_OTHERS others, in order of lines. */
#define BULK_REPORT_FAILED 5000
#define BULK_REPORT_OTHERS 1000
struct bulk_report { size_t created, updated, unchanged, deleted, failed; struct bulk_result *items; size_t nitems; };
/* dry_run: everything but the commit. skip_errors: the good rows are kept (savepoints). */
MUST_CHECK int resource_bulk(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, const struct bulk_item *items, size_t n, bool dry_run, bool skip_errors, struct bulk_report *ret, struct error *e);
/* CSV: header names code, name, org, labels.<key>, spec fields ("period", "options.port"); the titles in
 * zh or en are accepted too. Refs may be given by code. Report rows carry the line in `line`, err.where is
 * the field ("spec.period", "code"; "column 3" for a bad header, which is an error of the whole call). */
MUST_CHECK int resource_import_csv(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str csv, bool dry_run, bool skip_errors, struct bulk_report *ret, struct error *e);
MUST_CHECK int resource_export_csv(struct kernel *k, const char *kind, const struct list_query *q /* limit ignored */, struct buf *out, struct error *e);

/* History. */
struct history_entry {
    int64_t rev, at_us;
    enum change_op op;
    struct str by;
    const struct json *diff;          /* [{path, before, after}] */
    struct str transition, comment;   /* when a transition made it */
};
MUST_CHECK int resource_history(struct kernel *k, struct arena *a, const char *kind, struct str id_or_code, size_t offset, size_t limit, struct history_entry **ret, size_t *ret_n, struct error *e);
MUST_CHECK int resource_at_rev(struct kernel *k, struct arena *a, const char *kind, struct str id_or_code, int64_t rev, struct resource *ret, struct error *e);
MUST_CHECK int resource_rollback(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code, int64_t to_rev, int64_t expect_rev, struct resource *ret, struct error *e); /* also undeletes */

/* The bin: bring a deleted one back with its newest content. */
MUST_CHECK int resource_restore(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code, int64_t expect_rev, struct resource *ret, struct error *e);
/* A new one with the same content: without secrets, files, unique and read_only fields; code and name may be
 * empty (a code rule's next, or the old one with a number; the old name). */
MUST_CHECK int resource_copy(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code, struct str code, struct str name, struct resource *ret, struct error *e);

/* Life cycle (kind.h): what may be done to it now, and doing it. */
struct transition_offer {
    const struct transition *t;
    bool allowed;
    struct error why_not;             /* permission, four eyes, a required field */
};
MUST_CHECK int resource_transitions(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code, struct transition_offer **ret, size_t *ret_n, struct error *e);
MUST_CHECK int resource_transition(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code, struct str transition, struct str comment, int64_t expect_rev, struct resource *ret, struct error *e);

/* Who refers to it: kind, code, name, path of the field. `by`: only what he may read; *ret_total counts all. */
struct where_used { struct str kind, id, code, name, path; };
MUST_CHECK int resource_where_used(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code, size_t offset, size_t limit, struct where_used **ret, size_t *ret_n, int64_t *ret_total, struct error *e);

/* The one resource of a kind with "single": true; made with its defaults when it is not there. */
MUST_CHECK int resource_single(struct kernel *k, struct arena *a, const char *kind, struct resource *ret, struct error *e);

/* User kinds: made, changed and removed at run time; stored as resources of kind `user_kind` (code: the
 * kind's name; spec.document: the kind document). A change moves the stored data with it, in the same
 * transaction. The plan tells what would happen. */
struct kind_change {
    struct str path;                  /* "spec.supplier" */
    struct str what_en, what_zh;      /* "text becomes number" */
    int64_t affected, lost;           /* rows whose value changes; rows whose value cannot be kept */
    bool blocks;                      /* cannot be done even with on_loss drop: the text says what to do first */
    const struct json *examples;      /* [{code, before, after}] at most 5 */
};
struct kind_plan { int64_t rows; struct kind_change *changes; size_t n; bool loses, blocks; };
MUST_CHECK int user_kind_plan(struct kernel *k, struct arena *a, struct str document, const struct json *renames /* {"old": "new"} or NULL */, struct kind_plan *ret, struct error *e);
MUST_CHECK int user_kinds_load(struct kernel *k, struct error *e); /* after all built-in kinds, before modules start */

/* Watch: changes with seq > from, kept for the newest 1,000,000. ERR_RANGE when `from` is older than that. */
MUST_CHECK int kernel_changes(struct kernel *k, struct arena *a, int64_t from, size_t max, struct change **ret, size_t *ret_n, struct error *e);
int64_t kernel_seq(struct kernel *k);
/* Called (on the changer's thread, after commit) when there are new changes; must only signal. */
int kernel_watch(struct kernel *k, void (*fn)(void *ctx, int64_t newest_seq), void *ctx);
void kernel_unwatch(struct kernel *k, void (*fn)(void *ctx, int64_t newest_seq), void *ctx);

/* Wait until the hooks' `changed` have seen everything committed before this call (tests, start-up). Not
 * from a hook. */
void kernel_settle(struct kernel *k);
/* No `changed` runs from its return on: before the owners of hooks go. May be called again. Not from a hook. */
void kernel_hooks_stop(struct kernel *k);

/* The envelope as JSON (times RFC 3339), and "refs" when they are resolved. */
void resource_write(struct json_writer *w, const struct resource *r);
/* The same as `by` may see it: sensitive fields as "***", without fields and names that he may not read. */
void resource_write_for(struct json_writer *w, const struct resource *r, const struct actor *by);
/* Differences as he may see them (history_entry.diff of a resource of that kind and organisation). */
void resource_diff_write(struct json_writer *w, const struct kind *kd, struct str org, const struct json *diff, const struct actor *by);
