/* kernel_fixture.h - for tests only: a kernel in a fresh database with two small kinds, device and tag. */
#pragma once
#include "base/test.h"
#include "core/resource.h"
#include "store/sql_fixture.h"

static const char fixture_device[] =
    "{\"kind\":\"device\",\"plural\":\"devices\",\"title\":{\"en\":\"Device\",\"zh\":\"设备\"},\"code\":{\"required\":"
    "true},"
    "\"fields\":[{\"name\":\"host\",\"type\":\"string\",\"format\":\"host\",\"required\":true},"
    "{\"name\":\"key\",\"type\":\"secret\",\"title\":{\"en\":\"Key\",\"zh\":\"密钥\"}},"
    "{\"name\":\"serial\",\"type\":\"string\",\"unique\":true},"
    "{\"name\":\"parent\",\"type\":\"ref\",\"kind\":\"device\"},"
    "{\"name\":\"options\",\"type\":\"object\",\"fields\":[{\"name\":\"port\",\"type\":\"integer\",\"default\":502},"
    "{\"name\":\"password\",\"type\":\"secret\"}]}]}";
static const char fixture_tag[] =
    "{\"kind\":\"tag\",\"plural\":\"tags\",\"numbered\":true,\"title\":{\"en\":\"Tag\",\"zh\":\"测点\"},"
    "\"code\":{\"required\":true,\"pattern\":\"[A-Za-z0-9_.]+\"},"
    "\"fields\":[{\"name\":\"device\",\"type\":\"ref\",\"kind\":\"device\",\"required\":true,\"index\":true,"
    "\"title\":{\"en\":\"Device\",\"zh\":\"设备\"}},"
    "{\"name\":\"address\",\"type\":\"string\",\"title\":{\"en\":\"Address\",\"zh\":\"地址\"}},"
    "{\"name\":\"period\",\"type\":\"duration\",\"default\":\"1s\",\"min\":\"50ms\",\"title\":{\"en\":\"Period\","
    "\"zh\":\"周期\"}},"
    "{\"name\":\"lo\",\"type\":\"number\"},{\"name\":\"hi\",\"type\":\"number\"},"
    "{\"name\":\"on\",\"type\":\"boolean\",\"default\":true},"
    "{\"name\":\"since\",\"type\":\"time\"},"
    "{\"name\":\"unit\",\"type\":\"string\",\"format\":\"unit\"},"
    "{\"name\":\"groups\",\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
    "{\"name\":\"near\",\"type\":\"array\",\"items\":{\"type\":\"ref\",\"kind\":\"device\"}},"
    "{\"name\":\"limits\",\"type\":\"object\",\"fields\":[{\"name\":\"high\",\"type\":\"number\"},{\"name\":\"low\","
    "\"type\":\"number\"}]},"
    "{\"name\":\"status\",\"type\":\"string\",\"read_only\":true}]}";

struct fixture {
    struct sql *db;
    struct kernel *k;
    struct sim_clock clock;
    struct sim_rng rng;
    struct arena a;
    struct error e;
    char url[800];
    bool fresh; /* nobody opens it again */
};

/* `name` NULL: in memory. With BORNITE_TEST_SQL both are schemas on that server. */
static inline bool fixture_open(struct fixture *f, const char *name)
{
    sql_fixture_url(name, f->url, sizeof f->url);
    f->fresh = !name;
    arena_init(&f->a, 64 << 20);
    sim_clock_init(&f->clock, 1790000000000000LL);
    sim_rng_init(&f->rng, 1);
    int rc = sql_open(f->url, &f->db, &f->e);
    if (!rc) rc = kernel_open(f->db, &f->clock.clock, &f->rng.rng, &f->k, &f->e);
    if (!rc) rc = kernel_kind_add(f->k, str_of(fixture_device), &f->e);
    if (!rc) rc = kernel_kind_add(f->k, str_of(fixture_tag), &f->e);
    if (rc) test_fail(__FILE__, __LINE__, "fixture: %s: %s", f->e.where, f->e.text);
    return rc == 0;
}

static inline void fixture_close(struct fixture *f)
{
    kernel_close(f->k);
    if (f->fresh) sql_fixture_drop(f->db, f->url);
    sql_close(f->db);
    arena_fini(&f->a);
    *f = (struct fixture){.db = NULL};
}

static inline const struct json *fixture_json(struct fixture *f, const char *text)
{
    struct json *v = NULL;
    if (text && json_parse(&f->a, str_of(text), &v, &f->e)) test_fail(__FILE__, __LINE__, "test JSON: %s", f->e.text);
    return v;
}

static inline int fixture_create(struct fixture *f, const char *kind, const char *code, const char *spec,
                                 struct resource *ret)
{
    struct resource own;
    struct resource_input in = {.code = str_of(code), .spec = fixture_json(f, spec)};
    f->e = (struct error){0};
    return resource_create(f->k, &f->a, &actor_system, kind, &in, ret ? ret : &own, &f->e);
}
