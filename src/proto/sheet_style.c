/* sheet_style.c - which cells are dates: number formats, and serial numbers of days.
 *
 * A date is a number with a format that shows year, month, day or time of day. Day 1 is 1900-01-01; the
 * program that began it took 1900 for a leap year, so from day 61 on the epoch is 1899-12-30. Files of old
 * Macintosh programs count from 1904-01-01. Formats 27 to 36 and 50 to 58 are dates in Chinese, Japanese
 * and Korean programs (ECMA-376 part 1, 18.8.30). */
#include <math.h>
#include "base/time.h"
#include "proto/sheet_int.h"

#define FORMATS_MAX 4096
#define DAY_US 86400000000LL
#define SERIAL_MAX 2958466.0 /* 10000-01-01 */

bool format_is_date(struct str f)
{
    bool elapsed = false;
    if (str_ieq(f, STR("General")) || f.n == 0) return false;
    for (size_t i = 0; i < f.n; i++) {
        char c = f.p[i];
        if (c == '"') {
            for (i++; i < f.n && f.p[i] != '"';) i++;
        } else if (c == '\\' || c == '_' || c == '*') {
            i++;
        } else if (c == '[') {
            size_t from = i + 1;
            while (i < f.n && f.p[i] != ']') i++;
            struct str in = str_sub(f, from, i - from);
            elapsed = elapsed || (in.n && strspn(in.p, "hmsHMS") >= in.n);
        } else if (c == ';') {
            break; /* the format of negative numbers */
        } else if (strchr("ymdhsYMDHS", c)) {
            return !elapsed;
        }
    }
    return false;
}

static bool builtin_is_date(long id)
{
    return (id >= 14 && id <= 22) || (id >= 27 && id <= 36) || id == 45 || id == 47 || (id >= 50 && id <= 58);
}

struct styles {
    struct xml_in in;
    struct {
        long id;
        bool date;
    } * formats;
    size_t nformats;
    bool in_cells;
};

static long number(const char *z)
{
    int64_t v;
    return z && str_to_i64(str_of(z), &v) == 0 && v >= 0 && v < 1000000 ? (long)v : -1;
}

static bool is_date(const struct styles *s, long id)
{
    for (size_t i = 0; i < s->nformats; i++)
        if (s->formats[i].id == id) return s->formats[i].date;
    return builtin_is_date(id);
}

static void styles_start(void *ctx, const char *name, const char **attr)
{
    struct styles *s = ctx;
    struct workbook *w = s->in.w;
    if (strcmp(name, "numFmt") == 0 && s->nformats < FORMATS_MAX) {
        const char *code = xml_attr(attr, "formatCode");
        s->formats[s->nformats].id = number(xml_attr(attr, "numFmtId"));
        s->formats[s->nformats++].date = code && format_is_date(str_of(code));
    } else if (strcmp(name, "cellXfs") == 0) {
        s->in_cells = true;
    } else if (s->in_cells && strcmp(name, "xf") == 0 && w->ndates < STYLES_MAX) {
        if (!mem_grow((void **)&w->dates, &w->dates_cap, w->ndates + 1, sizeof *w->dates))
            xml_fail(&s->in, error_set(&s->in.err, ERR_NOMEM, "", "out of memory", "内存不足"));
        else
            w->dates[w->ndates++] = is_date(s, number(xml_attr(attr, "numFmtId")));
    }
}

static void styles_end(void *ctx, const char *name)
{
    if (strcmp(name, "cellXfs") == 0) ((struct styles *)ctx)->in_cells = false;
}

int styles_load(struct workbook *w, struct error *e)
{
    static const struct xml_ops ops = {styles_start, styles_end, NULL};
    struct styles s = {.formats = arena_calloc(&w->a, FORMATS_MAX, sizeof *s.formats)};
    if (!s.formats) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    return xml_all(w, w->styles_path, &ops, &s, e);
}

bool serial_in_range(double serial)
{
    return serial >= 0 && serial < SERIAL_MAX;
}

int64_t serial_to_us(double serial, bool epoch_1904)
{
    double day = floor(serial);
    int64_t ms = llround((serial - day) * 86400000.0), days = (int64_t)day;
    if (epoch_1904)
        days += 1462;
    else if (days < 60)
        days++; /* before the day that never was */
    return (days - 25569) * DAY_US + ms * 1000;
}

double serial_from_us(int64_t t)
{
    int64_t days = t / DAY_US, rest = t % DAY_US;
    if (rest < 0) rest += DAY_US, days--;
    return (double)(days + 25569) + (double)rest / (double)DAY_US;
}

void cell_text(const struct cell *c, struct buf *out)
{
    char text[TIME_TEXT_MAX];
    switch (c->type) {
    case CELL_NUMBER: buf_double(out, c->number); break;
    case CELL_BOOL: buf_z(out, c->number != 0 ? "true" : "false"); break;
    case CELL_DATE: {
        struct str s = str_of(time_format(c->time_us, text)); /* 2026-01-31T08:00:00Z */
        bool midnight = c->time_us % DAY_US == 0;
        buf_str(out, str_sub(s, 0, 10));
        if (midnight) break;
        buf_u8(out, ' ');
        buf_str(out, str_sub(s, 11, s.n - 12));
        break;
    }
    case CELL_EMPTY: break;
    case CELL_TEXT:
    case CELL_ERROR: buf_str(out, c->text); break;
    }
}
