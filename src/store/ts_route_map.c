/* ts_route_map.c - the file of the router (ts_router.h): encoding and bounded decoding. Pure. */
#include "base/crc32c.h"
#include "base/mem.h"
#include "store/ts_router_int.h"

#define MAGIC 0x31524e42u
#define FIXED (4 + 4 + (TS_SLOTS - 1) * 37 + TS_CLASSES * 3 + 4)

bool router_points_grow(struct ts_router *r, size_t n)
{
    if (n <= r->npoints) return true;
    if (n > ROUTER_POINTS_MAX || !mem_grow((void **)&r->class_of, &r->ccap, n, sizeof *r->class_of) ||
        !mem_grow((void **)&r->places, &r->pcap, n, sizeof *r->places))
        return false;
    for (size_t i = r->npoints; i < n; i++) {
        r->class_of[i] = 0;
        r->places[i] = r->unsure ? UINT16_MAX : 1;
    }
    r->npoints = n;
    return true;
}

void router_map_encode(const struct ts_router *r, struct buf *out)
{
    buf_u32le(out, MAGIC);
    buf_u32le(out, 1);
    for (size_t i = 1; i < TS_SLOTS; i++) buf_add(out, r->slot[i].id, sizeof r->slot[i].id);
    for (size_t i = 0; i < TS_CLASSES; i++) {
        buf_u8(out, r->route[i].slot);
        buf_u8(out, r->route[i].mirror);
        buf_u8(out, r->route[i].copy);
    }
    buf_u32le(out, (uint32_t)r->npoints);
    buf_add(out, r->class_of, r->npoints);
    for (size_t i = 0; i < r->npoints; i++) buf_u16le(out, r->places[i]);
    buf_u32le(out, crc32c(0, out->p, out->n));
}

static bool slot_good(uint8_t s)
{
    return s < TS_SLOTS || s == TS_NO_SLOT;
}

int router_map_decode(struct ts_router *r, struct str text)
{
    struct rd d = rd_make(text.p, text.n);
    char ids[TS_SLOTS][37] = {0};
    struct route routes[TS_CLASSES];
    if (text.n < FIXED + 4 || rd_u32le(&d) != MAGIC || rd_u32le(&d) != 1) return ERR_CORRUPT;
    struct rd tail = rd_make(text.p + text.n - 4, 4);
    if (crc32c(0, text.p, text.n - 4) != rd_u32le(&tail)) return ERR_CORRUPT;
    for (size_t i = 1; i < TS_SLOTS; i++) memcpy(ids[i], rd_bytes(&d, 37), 36);
    for (size_t i = 0; i < TS_CLASSES; i++) {
        routes[i] = (struct route){rd_u8(&d), 0, 0};
        routes[i].mirror = rd_u8(&d);
        routes[i].copy = rd_u8(&d);
        if (routes[i].slot >= TS_SLOTS || !slot_good(routes[i].mirror) || !slot_good(routes[i].copy))
            return ERR_CORRUPT;
    }
    size_t n = rd_u32le(&d);
    if (n > ROUTER_POINTS_MAX || rd_left(&d) != n * 3 + 4) return ERR_CORRUPT;
    if (!router_points_grow(r, n)) return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) r->class_of[i] = rd_u8(&d) % TS_CLASSES;
    for (size_t i = 0; i < n; i++) r->places[i] = rd_u16le(&d);
    for (size_t i = 1; i < TS_SLOTS; i++) memcpy(r->slot[i].id, ids[i], 37);
    memcpy(r->route, routes, sizeof routes);
    return 0;
}
