/* Any method, target and body, as nobody, as a viewer and as an administrator, through the router and the
 * handlers: no crash, no internal error, and nobody and the viewer change nothing.
 * Input: a byte (who), a byte (method), the target up to a line feed, the body. */
#include "core/api/api_test.h"

void test_register(struct test_case *t) {}
void test_fail(const char *file, int line, const char *fmt, ...)
{
    abort();
}

static struct rig rig;
static char cookies[3][64];

static void prepare(void)
{
    if (rig_open(&rig, NULL)) abort();
    rig_admin(&rig);
    memcpy(cookies[2], rig.cookie, 64);
    rig_user(&rig, "anna", "viewer", cookies[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"};
    char target[512] = "/";
    if (!rig.api) prepare();
    if (n < 3) return 0;
    int who = data[0] % 3;
    struct str rest = {(const char *)data + 2, n - 2}, line = str_cut(&rest, '\n');
    if (line.n && !memchr(line.p, 0, line.n)) str_to_cstr(line, target + (line.p[0] != '/'), sizeof(target) - 1);
    memcpy(rig.cookie, cookies[who], 64);
    rig.content_type = data[1] & 128 ? "text/csv" : NULL;
    rig_send(&rig, methods[data[1] % 8], target, rest);
    if (rig.status == 500) abort();
    if (who < 2 && rig.status == 201) abort();
    sim_clock_advance(&rig.clock, 1000);
    arena_reset(&rig.arena);
    return 0;
}
