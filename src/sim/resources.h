/* resources.h - the plan as resources of the platform: what `bornite serve --demo` imports. */
#pragma once
#include "sim/tags.h"

/* CSV with a head line for kind "org", "area", "channel", "device" or "point", in the members of those kinds:
 * code, name (Chinese), then members of the spec; `options` holds JSON text. Channels connect to
 * host:port_base + the server's offset. ERR_NOT_FOUND for other kinds; ERR_TOO_LARGE from the buffer. */
MUST_CHECK int sim_write_resources_csv(const struct sim_plan *p, const char *kind, const char *host, unsigned port_base,
                                       struct buf *out);
/* The tag list for people: code, names, area, type, unit, range, limits, server, unit id, address. */
MUST_CHECK int sim_write_tags_csv(const struct sim_plan *p, unsigned port_base, struct buf *out);
