/* ua_custom_int.h - what both directions of ua_custom share. */
#pragma once
#include "proto/opcua/ua_custom.h"
#include "proto/opcua/ua_ids.h"

/* How a field is encoded: a type number of ours, or *ret_own, a definition; 0 and NULL: unknown. */
unsigned ua_field_type(const struct ua_catalogue *c, const struct ua_structure_definition *def,
                       const struct ua_structure_field *f, const struct ua_structure_definition **ret_own);
