/* code_rule.h - what the routes of code rules need of the engine. */
#pragma once
#include "core/resource.h"

/* The codes that would come next; nothing is used up. org: code or id, "" for the rule's own. Tokens that
 * need a resource ({field:…}) stand as they are. */
MUST_CHECK int code_rule_preview(struct kernel *k, struct arena *a, const struct actor *by, struct str rule,
                                 struct str org, size_t count, struct str *ret, struct error *e);
/* Does the code follow the rule: 0 and *ret_ok, *why says why not. */
MUST_CHECK int code_rule_test(struct kernel *k, struct arena *a, const struct actor *by, struct str rule,
                              struct str code, bool *ret_ok, struct error *why, struct error *e);
