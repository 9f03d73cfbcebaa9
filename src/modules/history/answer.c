/* answer.c - see answer.h: the table of forms and the life of an answer. */
#include "modules/history/answer.h"
#include <stdio.h>
#include "base/mem.h"

static const struct answer_ops *const forms[] = {&answer_json, &answer_csv, &answer_arrow};

int answer_new(const struct answer_ops *ops, const struct answer_head *head, struct ts_store *strings,
               struct answer **ret)
{
    struct answer *a = mem_calloc(1, ops->size);
    if (!a) return ERR_NOMEM;
    a->ops = ops;
    a->head = *head;
    a->strings = strings;
    buf_init(&a->out, ANSWER_MAX);
    *ret = a;
    return 0;
}

void answer_free(struct answer *a)
{
    if (!a) return;
    if (a->ops->fini) a->ops->fini(a);
    buf_fini(&a->out);
    mem_free(a);
}

static struct str media_of(const struct answer_ops *f)
{
    struct str all = str_of(f->media_type);
    return str_cut(&all, ';');
}

int answer_form(struct str format, struct str accept, enum answer_shape shape, const struct answer_ops **ret,
                struct error *e)
{
    char names[80];
    size_t n = 0;
    *ret = &answer_json;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (!(forms[i]->shapes & 1u << shape)) continue;
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", forms[i]->name);
        if (format.n ? !str_is(format, forms[i]->name)
                     : forms[i] == &answer_json || !str_has(accept, media_of(forms[i])))
            continue;
        *ret = forms[i];
        return 0;
    }
    if (!format.n) return 0;
    return error_set(e, ERR_INVALID, "format", "'%.*s' is not offered here; write one of: %s",
                     "此处不支持 '%.*s'；可选值：%s", STR_ARG(str_sub(format, 0, 40)), names);
}
