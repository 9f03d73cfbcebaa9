/* xml_tree.c - see xml_tree.h. Parsing by expat, into the arena; an element's text is gathered where it ends. */
#include "proto/xml_tree.h"
#include <expat.h>
#include <stdio.h>
#include "base/buf.h"
#include "base/utf8.h"

#define PATH_MAX_BYTES 4000
#define NAME_MAX_BYTES 200
#define NAMES_MAX 1000
#define INDEX_MAX 1000000000
#define STEPS_MAX 15 /* two segments of a JSONPath each */

struct level {
    struct json *node;
    struct buf text;
    unsigned names; /* of children, and of attributes: each is looked for among them */
};
struct build {
    XML_Parser x;
    struct arena *a;
    struct level at[XML_DEPTH_MAX + 1]; /* at[0]: the document */
    size_t depth;
    int rc;
    bool doctype, deep;
};

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static void fail(struct build *b, int rc)
{
    if (!b->rc) b->rc = rc;
    XML_StopParser(b->x, XML_FALSE);
}

/* Without the prefix. */
static struct str local(const char *name)
{
    const char *colon = strrchr(name, ':');
    return str_of(colon ? colon + 1 : name);
}

static bool put_text(struct build *b, struct json *node, const char *mark, const char *name, struct str text)
{
    struct str key = local(name);
    const char *k = arena_printf(b->a, "%s%.*s", mark, STR_ARG(key));
    struct json *v = json_new_str(b->a, arena_str(b->a, text));
    return k && v && json_set(node, b->a, str_of(k), v);
}

static bool put_attributes(struct build *b, struct json *node, const char **atts)
{
    for (unsigned n = 0; atts[0]; atts += 2) {
        b->deep |= ++n > NAMES_MAX;
        if (b->deep) return true;
        if (strncmp(atts[0], "xmlns", 5) == 0 && (!atts[0][5] || atts[0][5] == ':')) continue;
        if (!put_text(b, node, "@", atts[0], str_of(atts[1]))) return false;
    }
    return true;
}

/* A new element in the array of its name. */
static struct json *add_element(struct build *b, struct level *l, const char *name)
{
    struct json *parent = l->node;
    struct str key = local(name);
    struct json *list = json_get(parent, key.p), *node = json_new_object(b->a);
    if (!list) {
        list = json_new_array(b->a);
        struct str copy = arena_str(b->a, key);
        b->deep |= ++l->names > NAMES_MAX;
        if (!list || !copy.p || !json_set(parent, b->a, copy, list)) return NULL;
    }
    if (!node) return NULL;
    json_push(list, node);
    return node;
}

static void on_start(void *ctx, const char *name, const char **atts)
{
    struct build *b = ctx;
    if (b->rc) return;
    b->deep |= b->depth == XML_DEPTH_MAX;
    if (b->deep) {
        fail(b, ERR_TOO_LARGE);
        return;
    }
    struct json *node = add_element(b, &b->at[b->depth], name);
    if (!node || !put_attributes(b, node, atts)) {
        fail(b, ERR_NOMEM);
        return;
    }
    b->at[++b->depth].node = node;
    b->at[b->depth].text.n = 0;
    b->at[b->depth].names = 0;
}

static void on_text(void *ctx, const char *p, int n)
{
    struct build *b = ctx;
    if (!b->rc && b->depth) buf_str(&b->at[b->depth].text, str_make(p, (size_t)n));
}

static void on_end(void *ctx, const char *name)
{
    struct build *b = ctx;
    if (b->rc) return;
    struct level *l = &b->at[b->depth--];
    if (l->text.err || !put_text(b, l->node, "#", "text", str_trim(buf_view(&l->text)))) fail(b, ERR_NOMEM);
}

static void on_doctype(void *ctx, const char *name, const char *sys, const char *pub, int internal)
{
    struct build *b = ctx;
    b->doctype = true;
    fail(b, ERR_INVALID);
}

static int fault(const struct build *b, struct error *e)
{
    if (b->deep)
        return error_set(e, ERR_TOO_LARGE, "",
                         "the XML is nested deeper than %d elements, or an element has more than %d names below it",
                         "XML 嵌套超过 %d 层，或某元素下的名称超过 %d 个", XML_DEPTH_MAX, NAMES_MAX);
    if (b->doctype) return error_set(e, ERR_INVALID, "", "XML with a DOCTYPE is not taken", "不接受带 DOCTYPE 的 XML");
    if (b->rc) return error_set(e, ERR_TOO_LARGE, "", "the XML is larger than there is room for", "XML 超出可用内存");
    return error_set(e, ERR_INVALID, "", "line %lu, column %lu: this is no XML: %s%.0s",
                     "第 %lu 行第 %lu 列：不是有效的 XML：%s%.0s", (unsigned long)XML_GetCurrentLineNumber(b->x),
                     (unsigned long)XML_GetCurrentColumnNumber(b->x) + 1, XML_ErrorString(XML_GetErrorCode(b->x)), "");
}

static int parse(struct build *b, struct str text, struct error *e)
{
    XML_SetUserData(b->x, b);
    XML_SetElementHandler(b->x, on_start, on_end);
    XML_SetCharacterDataHandler(b->x, on_text);
    XML_SetStartDoctypeDeclHandler(b->x, on_doctype);
    bool good = text.n <= INT32_MAX && XML_Parse(b->x, text.p ? text.p : "", (int)text.n, XML_TRUE) == XML_STATUS_OK;
    return good && !b->rc ? 0 : fault(b, e);
}

int xml_tree(struct str text, struct arena *a, struct json **ret, struct error *e)
{
    struct build *b = arena_calloc(a, 1, sizeof *b);
    if (!b) return no_memory(e);
    b->a = a;
    b->x = XML_ParserCreate(NULL);
    b->at[0].node = json_new_object(a);
    if (!b->x || !b->at[0].node) {
        XML_ParserFree(b->x);
        return no_memory(e);
    }
    for (size_t i = 1; i <= XML_DEPTH_MAX; i++) buf_init(&b->at[i].text, 64u << 20);
    int rc = parse(b, text, e);
    for (size_t i = 1; i <= XML_DEPTH_MAX; i++) buf_fini(&b->at[i].text);
    XML_ParserFree(b->x);
    if (!rc) *ret = b->at[0].node;
    return rc;
}

/* ---- paths ---- */

static int bad_step(struct str step, struct error *e)
{
    return error_set(
        e, ERR_INVALID, "",
        "'%.*s' is no step of a path: name, *, name[2], name[@id='a'], name[child='text'], or @attribute at the end",
        "“%.*s”不是路径的一级：应为 名称、*、名称[2]、名称[@属性='值']、名称[子元素='文本']，或末级的 @属性",
        STR_ARG(str_sub(step, 0, 80)));
}

static bool name_ok(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || strchr("'\"[]/@=<>&|$?#*(){}\\,;!", s.p[i])) return false;
    return s.n > 0 && s.n <= NAME_MAX_BYTES && !strchr(".-0123456789", s.p[0]);
}

static struct str unprefixed(struct str s)
{
    ptrdiff_t colon = str_find(s, ':');
    return colon >= 0 ? str_sub(s, (size_t)colon + 1, s.n) : s;
}

static void put_name(struct buf *out, const char *mark, struct str name)
{
    name = unprefixed(name);
    buf_printf(out, "['%s%.*s']", mark, STR_ARG(name));
}

/* [2], [@id='a'], [child='text'] */
static bool put_predicate(struct buf *out, struct str p)
{
    uint64_t n;
    if (str_to_u64(p, &n) == 0 && n >= 1 && n <= INDEX_MAX) {
        buf_printf(out, "[%llu]", (unsigned long long)n - 1);
        return true;
    }
    struct str value = p, name = str_trim(str_cut(&value, '='));
    value = str_trim(value);
    bool attribute = name.n && name.p[0] == '@';
    if (attribute) name = str_sub(name, 1, name.n);
    if (!name_ok(name) || value.n < 2 || (value.p[0] != '\'' && value.p[0] != '"') ||
        value.p[value.n - 1] != value.p[0])
        return false;
    value = str_sub(value, 1, value.n - 2);
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < ' ' || value.p[i] == '\'' || value.p[i] == '\\') return false;
    buf_z(out, "[?@");
    put_name(out, attribute ? "@" : "", name);
    buf_printf(out, "%s=='%.*s']", attribute ? "" : "[0]['#text']", STR_ARG(value));
    return true;
}

/* Where the step ends: the next '/' outside of brackets and quotes. */
static size_t step_end(struct str s)
{
    char quote = 0;
    size_t i = 0;
    for (bool in = false; i < s.n && (in || s.p[i] != '/'); i++) {
        if (quote)
            quote = s.p[i] == quote ? 0 : quote;
        else if (in && (s.p[i] == '\'' || s.p[i] == '"'))
            quote = s.p[i];
        else if (s.p[i] == '[' || s.p[i] == ']')
            in = s.p[i] == '[';
    }
    return i;
}

static bool put_step(struct buf *out, struct str step, bool deep)
{
    struct str rest = step, name = str_cut(&rest, '[');
    bool any = str_is(name, "*"), picks = rest.p != NULL;
    if (picks && (any || !rest.n || rest.p[rest.n - 1] != ']')) return false;
    if (!any && !name_ok(name)) return false;
    if (deep) buf_z(out, "..");
    if (any)
        buf_z(out, "[*]");
    else
        put_name(out, "", name);
    if (!picks) buf_z(out, "[*]");
    return !picks || put_predicate(out, str_trim(str_sub(rest, 0, rest.n - 1)));
}

static int translate(struct str path, enum xml_path_kind kind, struct buf *out, struct error *e)
{
    bool attribute = false;
    unsigned steps = 0;
    struct str rest = path;
    buf_u8(out, '$');
    if (str_is(rest, ".")) rest = STR("");
    while (rest.n) {
        if (++steps > STEPS_MAX)
            return error_set(e, ERR_INVALID, "", "the path has more than %d steps; // leaves out those in between",
                             "路径超过 %d 级；可用 // 省略中间各级", STEPS_MAX);
        bool deep = str_starts(rest, STR("//"));
        rest = str_sub(rest, deep ? 2 : rest.p[0] == '/', rest.n);
        size_t n = step_end(rest);
        struct str step = str_trim(str_sub(rest, 0, n));
        bool last = n == rest.n;
        rest = str_sub(rest, n, rest.n);
        attribute = step.n && step.p[0] == '@';
        struct str name = attribute ? str_sub(step, 1, step.n) : step;
        if (attribute ? !last || deep || kind == XML_ROWS || !name_ok(name) : !put_step(out, step, deep))
            return bad_step(step, e);
        if (attribute) put_name(out, "@", name);
        if (rest.n == 1) return bad_step(rest, e); /* a '/' at the end */
    }
    if (kind == XML_VALUE && !attribute) buf_z(out, "['#text']");
    return 0;
}

int xml_path(struct str path, enum xml_path_kind kind, struct arena *a, struct str *ret, struct error *e)
{
    struct buf b;
    path = str_trim(path);
    if (!path.n)
        return error_set(e, ERR_INVALID, "", "a path is expected, such as data/sensor[@id='T1']/value or @unit",
                         "应为路径，例如 data/sensor[@id='T1']/value 或 @unit");
    if (!utf8_valid(path)) return error_set(e, ERR_INVALID, "", "the path is not UTF-8", "路径不是 UTF-8");
    buf_init(&b, PATH_MAX_BYTES);
    int rc = translate(path, kind, &b, e);
    if (!rc && b.err) rc = error_set(e, ERR_INVALID, "", "the path is too long", "路径过长");
    if (!rc) *ret = arena_str(a, buf_view(&b));
    buf_fini(&b);
    return rc || ret->p ? rc : no_memory(e);
}

/* ---- leaves ---- */

struct leaves {
    struct arena *a;
    struct xml_leaf *at;
    size_t n, max;
};

static void add_leaf(struct leaves *l, struct str path, const char *attribute, const struct json *value)
{
    if (l->n == l->max) return;
    const char *z = arena_printf(l->a, "%.*s%s%s", STR_ARG(path), path.n && attribute[0] ? "/" : "", attribute);
    if (z) l->at[l->n++] = (struct xml_leaf){str_of(z[0] ? z : "."), value};
}

static void walk(struct leaves *l, const struct json *node, struct str path)
{
    const struct json *text = json_get(node, "#text");
    bool only = true;
    for (const struct json *v = node->child; v && l->n < l->max; v = v->next) {
        if (v->type == JSON_STRING && v->key.p[0] == '@') {
            char name[NAME_MAX_BYTES + 8];
            if (str_to_cstr(v->key, name, sizeof name)) add_leaf(l, path, name, v);
        }
        only &= v->type == JSON_STRING;
        size_t many = json_count(v), i = 0;
        for (const struct json *x = v->type == JSON_ARRAY ? v->child : NULL; x && l->n < l->max; x = x->next) {
            const char *z = arena_printf(l->a, many > 1 ? "%.*s%s%.*s[%zu]" : "%.*s%s%.*s", STR_ARG(path),
                                         path.n ? "/" : "", STR_ARG(v->key), ++i);
            if (z) walk(l, x, str_of(z));
        }
    }
    if (text && (only || text->s.n)) add_leaf(l, path, "", text);
}

size_t xml_leaves(const struct json *node, struct arena *a, struct xml_leaf *ret, size_t max)
{
    struct leaves l = {a, ret, 0, max};
    if (node && node->type == JSON_OBJECT) walk(&l, node, STR(""));
    return l.n;
}
