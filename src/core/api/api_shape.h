/* api_shape.h - the shape of a body or an answer in one line of a route table, as JSON Schema.
 *
 *   shape  := one { "|" one }
 *   one    := ( "{" { member [";"] } "}" | 'word' | name | "(" shape ")" ) { "[]" }
 *   member := ( name ["?"] | "*" ) ":" shape        "?": may be missing; "*": any other member
 *   name   := string integer number boolean null object any time, else a component: Text, point_spec …
 *
 * For example "{items:{code:string;t:time|null;q:'good'|'bad';v:number|string|null}[]}". Pure. */
#pragma once
#include "base/json.h"

/* NULL with *fault at what is wrong, or with *fault NULL when memory is short. */
struct json *api_shape(struct arena *a, const char *text, const char **fault);
