/* What outlets keep, in memory: the last of a name wins, limits, memory that runs out. */
#include "base/mem.h"
#include "base/test.h"
#include "modules/forward/kept.h"

TEST(names_and_limits)
{
    struct kept k;
    struct error e;
    size_t at, again;
    uint64_t change;
    char name[KEPT_NAME_MAX + 2], value[KEPT_VALUE_MAX + 2];
    kept_init(&k);
    CHECK(kept_get(&k, "a") == NULL);
    CHECK_INT(kept_set(&k, "a", "1", &at, &change, &e), 0);
    CHECK(at == 0 && change == 1);
    CHECK_Z(kept_get(&k, "a"), "1");
    CHECK_INT(kept_set(&k, "a", "2", &again, &change, &e), 0);
    CHECK(again == at && change == 2);
    CHECK_Z(kept_get(&k, "a"), "2");
    CHECK_INT(kept_set(&k, "a", NULL, &at, &change, &e), 0);
    CHECK(change == 3 && kept_get(&k, "a") == NULL);
    memset(name, 'n', sizeof name);
    name[KEPT_NAME_MAX + 1] = 0;
    memset(value, 'v', sizeof value);
    value[KEPT_VALUE_MAX + 1] = 0;
    CHECK_INT(kept_set(&k, name, "x", &at, &change, &e), ERR_LIMIT);
    CHECK_INT(kept_set(&k, "a", value, &at, &change, &e), ERR_LIMIT);
    CHECK_INT(kept_set(&k, "", "x", &at, &change, &e), ERR_LIMIT);
    CHECK_INT(kept_set(&k, "a b", "x", &at, &change, &e), ERR_LIMIT);
    CHECK(e.text[0] && e.text_zh[0]);
    name[KEPT_NAME_MAX] = value[KEPT_VALUE_MAX] = 0;
    CHECK_INT(kept_set(&k, name, value, &at, &change, &e), 0);
    CHECK_Z(kept_get(&k, name), value);
    for (int i = 0; i < KEPT_NAMES - 2; i++) {
        snprintf(name, sizeof name, "k%d", i);
        CHECK_INT(kept_set(&k, name, "x", &at, &change, &e), 0);
    }
    CHECK_INT(kept_set(&k, "one_more", "x", &at, &change, &e), ERR_LIMIT);
    CHECK_INT(kept_set(&k, "k0", "y", &at, &change, &e), 0); /* those that are there go on */
    kept_fini(&k);
}

TEST(without_memory_the_old_value_stays)
{
    struct kept k;
    struct error e;
    size_t at;
    uint64_t change;
    kept_init(&k);
    CHECK_INT(kept_set(&k, "a", "1", &at, &change, &e), 0);
    mem_fail_at(1, false);
    CHECK_INT(kept_set(&k, "a", "2", &at, &change, &e), ERR_NOMEM);
    mem_fail_at(0, false);
    CHECK_Z(kept_get(&k, "a"), "1");
    kept_fini(&k);
}
