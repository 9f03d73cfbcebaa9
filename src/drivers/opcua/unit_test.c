/* unit_test.c - each unit of the table is one that the platform can reckon with, and stands there once. */
#include "base/test.h"
#include "model/unit.h"
#include "proto/opcua/ua_unit.h"

TEST(units_are_known_and_unique)
{
    const char *code, *ucum, *code2, *ucum2;
    for (size_t i = 0; ua_unit_at(i, &code, &ucum); i++) {
        if (!unit_is_known(str_of(ucum))) test_fail(__FILE__, __LINE__, "%s: %s is no unit", code, ucum);
        for (size_t k = 0; k < i && ua_unit_at(k, &code2, &ucum2); k++)
            if (strcmp(code, code2) == 0 || strcmp(ucum, ucum2) == 0)
                test_fail(__FILE__, __LINE__, "%s, %s stand there twice", code, ucum);
    }
}

TEST(a_unit_there_and_back)
{
    struct ua_eu_information eu = {.namespace_uri = STR(UA_UNIT_URI), .unit_id = 4408652};
    CHECK_Z(ua_unit_ucum(&eu), "Cel");
    CHECK_INT(ua_unit_id(STR("Cel")), 4408652);
    CHECK_INT(ua_unit_id(STR("parrots")), -1);
    eu.namespace_uri = STR("urn:else");
    CHECK(ua_unit_ucum(&eu) == NULL);
}
