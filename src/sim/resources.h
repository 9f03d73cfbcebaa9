/* resources.h - the plan as resources of the platform: what `bornite serve --demo` imports. */
#pragma once
#include "sim/tags.h"

/* CSV with a head line for kind "org", "area", "channel", "device" or "point", in the members of those kinds:
 * code, name (Chinese), then members of the spec; `options` holds JSON text. Channels connect to
 * host:port_base + the server's offset. ERR_NOT_FOUND for other kinds; ERR_TOO_LARGE from the buffer. */
MUST_CHECK int sim_write_resources_csv(const struct sim_plan *p, const char *kind, const char *host, unsigned port_base,
                                       struct buf *out);
/* What the demo has beside the Modbus servers, for each kind in its turn until ERR_NOT_FOUND: tables data/more_KIND.csv,
 * in the members of the kinds, with {host}, {port+N} and {secret} (of the account by which its parts talk MQTT) filled in.
 * Rows of a later kind refer to those of earlier ones. */
struct sim_places {
    const char *host, *secret;
    unsigned port_base;
};
const char *sim_more_kind(size_t i); /* NULL: no more */
MUST_CHECK int sim_write_more_csv(const char *kind, const struct sim_places *at, struct buf *out);
/* The tag list for people: code, names, area, type, unit, range, limits, server, unit id, address. */
MUST_CHECK int sim_write_tags_csv(const struct sim_plan *p, unsigned port_base, struct buf *out);
