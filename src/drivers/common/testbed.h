/* testbed.h - what the test beds of drivers share: a loop that is stepped until something holds, options from JSON.
 * For tests only. A bed is a struct with the members `uv_loop_t loop`, `struct arena arena`. */
#pragma once
#include <uv.h>
#include "base/arena.h"
#include "base/json.h"
#include "base/test.h"
#include "drivers/common/options.h"

#define BED __attribute__((unused)) static

BED void bed_wake(uv_timer_t *t) {}

/* Something happens, or 20 ms go by. */
BED void bed_loop_step(uv_loop_t *loop)
{
    uv_timer_t t;
    uv_update_time(loop); /* else a loop that stood still lets the timer go off before it waits */
    uv_timer_init(loop, &t);
    uv_timer_start(&t, bed_wake, 20, 0);
    uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&t, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
}
#define bed_step(b) bed_loop_step(&(b)->loop)

#define UNTIL(b, expr) \
    do { \
        uint64_t end_ = uv_hrtime() + 5000000000u; \
        while (!(expr) && uv_hrtime() < end_) bed_step(b); \
        if (!(expr)) test_fail(__FILE__, __LINE__, "never: %s", #expr); \
    } while (0)

/* driver_closed, with a pointer to a bool */
BED void bed_closed(void *arg)
{
    *(bool *)arg = true;
}

BED const struct options *bed_options_of(struct arena *a, const struct option *table, const char *json)
{
    struct json *v = NULL;
    struct error e = {0};
    struct options *o = arena_calloc(a, 1, sizeof *o);
    if (json_parse(a, str_of(json), &v, &e) || options_check(table, a, v, o, NULL, 0, NULL, &e))
        test_fail(__FILE__, __LINE__, "%s: %s", json, e.text);
    return o;
}
#define bed_options(b, table, json) bed_options_of(&(b)->arena, table, json)
