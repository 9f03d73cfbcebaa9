/* waveforms.c - waveforms over HTTP: taking them as numbers, giving them as numbers, outline and spectrum (blobs.h). */
#include <math.h>
#include "base/mem.h"
#include "base/time.h"
#include "modules/history/blobs.h"
#include "modules/history/params.h"

#define PX_MAX 10000
#define JSON_VALUES 1000000 /* in a request; more as bytes */
#define LINES 8192          /* of a spectrum that is not asked for in full */
#define SPECTRUM_MAX ((1u << 19) + 1)

/* ------------------------------------------------------------------ taking */

static int read_values(const struct json *list, double **ret, uint32_t *ret_n, struct error *e)
{
    size_t n = list && list->type == JSON_ARRAY ? json_count(list) : 0, i = 0;
    if (n == 0 || n > JSON_VALUES)
        return error_set(e, ERR_INVALID, "v",
                         "must be an array of 1 to %d numbers; longer waveforms are sent as bytes to …/blobs",
                         "必须是 1 到 %d 个数的数组；更长的波形请以字节形式发送到 …/blobs", JSON_VALUES);
    double *v = mem_alloc(n * sizeof *v);
    if (!v) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for
        json_each (it, list) {
            if (it->type != JSON_INT && it->type != JSON_DOUBLE && it->type != JSON_NULL) {
                char where[32];
                snprintf(where, sizeof where, "v[%zu]", i);
                mem_free(v);
                return error_set(e, ERR_INVALID, where, "must be a number or null", "必须是数字或 null");
            }
            v[i++] = it->type == JSON_INT ? (double)it->i : it->type == JSON_DOUBLE ? it->d : NAN;
        }
    *ret = v;
    *ret_n = (uint32_t)n;
    return 0;
}

static int read_time(struct api_call *c, const struct json *v, int64_t *ret, struct error *e)
{
    struct str text = json_str(v, STR_NULL);
    if (v && v->type == JSON_INT) text = str_of(arena_printf(c->a, "%lld", (long long)v->i));
    if (v && v->type == JSON_DOUBLE) text = str_of(arena_printf(c->a, "%.0f", v->d));
    int err = blob_time(c, text, ret, e);
    if (err) str_to_cstr(STR("t"), e->where, sizeof e->where);
    return err;
}

int waveform_post(struct api_call *c, struct error *e)
{
    struct api_point p;
    struct json *body;
    struct buf packed;
    int64_t t;
    uint32_t n = 0;
    AUTO_FREE double *v = NULL;
    int err = api_find_point(c, c->param[0], ACT_WRITE, &p, e);
    if (!err) err = api_body_json(c, &body, e);
    if (!err) err = read_time(c, json_get(body, "t"), &t, e);
    if (!err) err = read_values(json_get(body, "v"), &v, &n, e);
    if (err) return err;
    buf_init(&packed, TS_BLOB_MAX);
    err = waveform_pack(v, n, json_double(json_get(body, "dt_s"), 0), json_str(json_get(body, "unit"), p.unit), &packed,
                        e);
    if (!err) err = blob_keep(c, &p, t, WAVEFORM_TYPE, buf_view(&packed), e);
    buf_fini(&packed);
    return err;
}

/* ------------------------------------------------------------------ giving */

void waveform_note(struct json_writer *w, struct str bytes)
{
    struct waveform x;
    struct waveform_figures f;
    if (waveform_open(bytes, &x, NULL)) return;
    waveform_figures(&x, &f);
    jw_key(w, STR("waveform"));
    jw_object(w);
    jw_ki64(w, "count", x.count);
    jw_kdouble(w, "dt_s", x.dt_s);
    jw_kstr(w, "unit", x.unit);
    jw_kdouble(w, "min", f.min);
    jw_kdouble(w, "max", f.max);
    jw_kdouble(w, "mean", f.mean);
    jw_kdouble(w, "rms", f.rms);
    jw_kdouble(w, "peak", f.peak);
    jw_kdouble(w, "crest", f.crest);
    jw_end(w);
}

static int open_it(struct blob_value *v, struct waveform *ret, struct error *e)
{
    if (strcmp(v->what.type, WAVEFORM_TYPE) != 0)
        return error_set(e, ERR_MEDIA_TYPE, "", "this value is of type %s, not a waveform", "该值的类型为 %s，不是波形",
                         v->what.type);
    return waveform_open(buf_view(&v->bytes), ret, e);
}

static void numbers(struct json_writer *w, const char *key, const double *v, size_t n)
{
    jw_key(w, str_of(key));
    jw_array(w);
    for (size_t i = 0; i < n; i++) jw_double(w, v[i]);
    jw_end(w);
}

static int give_json(struct api_call *c, const struct waveform *x, const char *time)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kz(&w, "t", time);
    jw_kdouble(&w, "dt_s", x->dt_s);
    jw_kstr(&w, "unit", x->unit);
    jw_key(&w, STR("v"));
    jw_array(&w);
    for (uint32_t i = 0; i < x->count; i++) jw_double(&w, waveform_value(x, i));
    jw_end(&w);
    jw_end(&w);
    return 0;
}

static int give_csv(struct api_call *c, const struct waveform *x)
{
    struct buf *b = &c->res->body;
    buf_z(b, "seconds,value\r\n");
    for (uint32_t i = 0; i < x->count; i++) {
        double v = waveform_value(x, i);
        buf_double(b, i * x->dt_s);
        buf_u8(b, ',');
        if (isfinite(v)) buf_double(b, v);
        buf_z(b, "\r\n");
    }
    c->res->content_type = "text/csv; charset=utf-8";
    http_set_header(c->res, "Content-Disposition", STR("attachment; filename=\"waveform.csv\""));
    return 0;
}

/* Value i stands at i * dt; a range holds those in [from, to]. */
static uint32_t index_at(const struct waveform *x, double s, bool up)
{
    double i = s / x->dt_s, near = rint(i);
    if (fabs(i - near) < 1e-6) i = near;
    i = up ? floor(i) + 1 : ceil(i);
    return i <= 0 ? 0 : i >= x->count ? x->count : (uint32_t)i;
}

static int give_outline(struct api_call *c, const struct waveform *x, int64_t px, double from, double to,
                        struct error *e)
{
    AUTO_FREE uint32_t *at = mem_alloc((size_t)px * 2 * sizeof *at);
    AUTO_FREE double *v = mem_alloc((size_t)px * 2 * sizeof *v);
    if (!at || !v) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    uint32_t n = waveform_outline(x, index_at(x, from, false), index_at(x, to, true), (uint32_t)px, at, v);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("s"));
    jw_array(&w);
    for (uint32_t i = 0; i < n; i++) jw_double(&w, at[i] * x->dt_s);
    jw_end(&w);
    numbers(&w, "v", v, n);
    jw_end(&w);
    return 0;
}

int waveform_formats(struct api_call *c, struct blob_value *v, struct error *e)
{
    static const char *const words[] = {"bytes", "json", "csv", NULL};
    struct params p = {.req = c->req, .a = c->a};
    struct waveform x;
    size_t form;
    int64_t px;
    double from, to;
    char t[TIME_TEXT_MAX];
    int err = params_word(&p, "format", words, &form, e);
    if (!err) err = params_i64(&p, "px", 0, 1, PX_MAX, &px, e);
    if (!err) err = params_double(&p, "from", 0, -1e12, 1e12, &from, e);
    if (!err) err = params_double(&p, "to", 1e12, -1e12, 1e12, &to, e);
    if (err) return err;
    if (form == 0 && !px) return 1;
    err = open_it(v, &x, e);
    if (err) return err;
    if (px) return give_outline(c, &x, px, from, to, e);
    return form == 1 ? give_json(c, &x, time_format(v->sample.time_us, t)) : give_csv(c, &x);
}

/* ------------------------------------------------------------------ spectrum */

/* Groups of neighbours become one line with the highest of them; *df grows with it. */
static size_t thin(double *a, size_t n, double *df)
{
    size_t group = (n + LINES - 1) / LINES, out = 0;
    for (size_t i = 0; i < n; i += group, out++) {
        double most = a[i];
        for (size_t k = i; k < i + group && k < n; k++) most = fmax(most, a[k]);
        a[out] = most;
    }
    *df *= (double)group;
    return out;
}

int waveform_spectrum_get(struct api_call *c, struct error *e)
{
    struct params p = {.req = c->req, .a = c->a};
    struct blob_value v;
    struct waveform x;
    AUTO_FREE double *a = NULL;
    bool full = false;
    double df;
    int n = 0, err = blob_open(c, &v, e);
    bool answered = err == 1;
    if (!err) err = params_bool(&p, "full", false, &full, e);
    if (!err) err = open_it(&v, &x, e);
    if (!err && !(a = mem_alloc(SPECTRUM_MAX * sizeof *a))) err = ERR_NOMEM;
    if (!err) n = waveform_spectrum(&x, a, SPECTRUM_MAX, &df);
    if (!err && n == 0)
        err = error_set(e, ERR_INVALID, "", "a spectrum needs at least 4 values; this waveform has %u",
                        "频谱至少需要 4 个值，该波形有 %u 个", x.count);
    if (n < 0) err = n;
    if (!err) {
        size_t lines = full ? (size_t)n : thin(a, (size_t)n, &df);
        struct json_writer w = api_answer(c);
        jw_object(&w);
        jw_kdouble(&w, "df_hz", df);
        jw_kstr(&w, "unit", x.unit);
        numbers(&w, "a", a, lines);
        jw_end(&w);
    }
    blob_close(&v);
    return answered ? 0 : err;
}
