/* table.c - reads the embedded tables; expands the patterns in them. Pure but for the arena. */
#include "sim/table.h"
#include "base/csv.h"
#include <math.h>

extern const struct str sim_data[];
extern const char *const sim_data_names[];

struct str sim_table_text(const char *name)
{
    for (size_t i = 0; sim_data_names[i]; i++)
        if (strcmp(sim_data_names[i], name) == 0) return sim_data[i];
    return STR_NULL;
}

static size_t count_lines(struct str text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.n; i++) n += text.p[i] == '\n';
    return n;
}

static void take_row(struct sim_row *row, const struct str *cells, size_t n)
{
    for (size_t i = 0; i < n && i < SIM_CELLS_MAX; i++) row->c[i] = cells[i];
}

int sim_table_read(struct arena *a, const char *name, struct sim_row **ret, size_t *ret_n, struct error *e)
{
    struct csv c;
    struct str *cells, text = sim_table_text(name);
    size_t n, count = 0;
    struct sim_row *rows = arena_calloc(a, count_lines(text), sizeof *rows);
    if (!rows) return error_set(e, ERR_NOMEM, name, "out of memory", "内存不足");
    csv_init(&c, text);
    int rc = csv_next(&c, a, &cells, &n, e);
    while (rc > 0 && (rc = csv_next(&c, a, &cells, &n, e)) > 0) take_row(&rows[count++], cells, n);
    if (rc < 0) {
        error_prefix(e, name);
        return rc;
    }
    *ret = rows, *ret_n = count;
    return 0;
}

double sim_cell_number(struct str s)
{
    double d;
    return str_to_double(s, &d) == 0 ? d : (double)NAN;
}

static unsigned digits_to(struct str s)
{
    unsigned n = 0;
    for (size_t i = 0; i < s.n; i++) n = n * 10 + (unsigned)(s.p[i] - '0');
    return n;
}

struct sim_pattern sim_pattern_parse(struct str s)
{
    struct sim_pattern p = {0};
    p.head = str_cut(&s, '[');
    if (!s.p) return p;
    struct str range = str_cut(&s, ']');
    p.tail = s;
    struct str from = str_cut(&range, '.');
    p.digits = (unsigned)from.n;
    p.from = digits_to(from);
    p.to = range.n > 1 ? digits_to(str_sub(range, 1, range.n)) : p.from;
    return p;
}

struct str sim_pattern_text(struct arena *a, const struct sim_pattern *p, unsigned n)
{
    char *z = p->digits ? arena_printf(a, "%.*s%0*u%.*s", STR_ARG(p->head), (int)p->digits, n, STR_ARG(p->tail))
                        : arena_strdup(a, p->head);
    return str_of(z ? z : "");
}

struct str sim_numbered(struct arena *a, struct str s, unsigned n)
{
    ptrdiff_t at = str_find(s, '#');
    if (at < 0) return s;
    char *z = arena_printf(a, "%.*s%u%.*s", (int)at, s.p, n, (int)(s.n - (size_t)at - 1), s.p + at + 1);
    return str_of(z ? z : "");
}
