/* ua_unit.h - units of measure: the codes of UN/CEFACT Recommendation 20 that EUInformation carries (OPC 10000-8, 5.6.3:
 * unitId is the code's letters as a number, "CEL" = 0x43454c) and UCUM. The ones that plants use. */
#pragma once
#include "proto/opcua/ua_service.h"

#define UA_UNIT_URI "http://www.opcfoundation.org/UA/units/un/cefact"
/* "Cel" for 4408652; NULL: not in the table, or of another namespace. */
const char *ua_unit_ucum(const struct ua_eu_information *eu);
/* 4408652 for "Cel", -1: none. */
int32_t ua_unit_id(struct str ucum);
/* Row i of the table; false: there are no more. */
bool ua_unit_at(size_t i, const char **ret_code, const char **ret_ucum);
