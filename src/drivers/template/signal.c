/* signal.c - see signal.h. */
#include <math.h>
#include "drivers/template/signal.h"

static const char *const shapes[] = {"sine", "square", "saw", "memory"};

static int wrong(struct str s, struct error *e)
{
    return error_set(e, ERR_INVALID, "address",
                     "'%.*s' is no signal; right are for example sine:60:10:50, square:10, memory:12.5",
                     "“%.*s”不是信号；正确示例 sine:60:10:50、square:10、memory:12.5", STR_ARG(s));
}

int signal_parse(struct str text, struct signal *ret, struct error *e)
{
    struct str s = str_trim(text), name = str_cut(&s, ':');
    struct signal g = {.period_s = 60, .amplitude = 1};
    unsigned shape = 0, n = 0;
    while (shape < 4 && !str_is(name, shapes[shape])) shape++;
    if (shape == 4) return wrong(text, e);
    g.shape = (enum signal_shape)shape;
    double *const wave[] = {&g.period_s, &g.amplitude, &g.centre}, *const memory[] = {&g.centre};
    double *const *to = g.shape == SIGNAL_MEMORY ? memory : wave;
    for (unsigned max = g.shape == SIGNAL_MEMORY ? 1 : 3; s.p; n++)
        if (n == max || str_to_double(str_cut(&s, ':'), to[n])) return wrong(text, e);
    if (!(g.period_s > 0)) return wrong(text, e);
    *ret = g;
    return 0;
}

double signal_value(const struct signal *s, int64_t time_us)
{
    double phase = fmod((double)time_us / 1e6, s->period_s) / s->period_s;
    switch (s->shape) {
    case SIGNAL_SINE: return s->centre + s->amplitude * sin(2 * M_PI * phase);
    case SIGNAL_SQUARE: return s->centre + (phase < 0.5 ? s->amplitude : -s->amplitude);
    case SIGNAL_SAW: return s->centre + s->amplitude * (2 * phase - 1);
    case SIGNAL_MEMORY: break;
    }
    return s->centre;
}
