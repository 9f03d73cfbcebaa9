/* iec104_address.h - how people write the address of an object. Pure; any thread.
 *
 *   [CA!][type:]IOA       16385, 0x4001, M_ME_NC:16385, 2!M_SP:1, C_SC:24577
 *   [CA!]yx|yc|yk|yt|ymN  the N-th of its class, counted from 0 upon the class's base address: yc12
 * What names no command type is an object that the station tells; any type of the named family fits (M_ME_NC means 13,
 * 14 and 36). */
#pragma once
#include "proto/iec104.h"

enum iec104_base { IEC104_YX, IEC104_YC, IEC104_YK, IEC104_YT, IEC104_YM, IEC104_BASES };
#define IEC104_BASE_DEFAULTS \
    { \
        0x0001, 0x4001, 0x6001, 0x6201, 0x6401 \
    }

/* What an address leaves open. */
struct iec104_rules {
    uint16_t ca;
    uint32_t base[IEC104_BASES];
    uint8_t yk_type, yt_type; /* C_SC, C_DC, C_RC; C_SE_NC, C_SE_NB, C_SE_NA */
    bool stamp;               /* commands with time, where the text does not name a type exactly */
};

enum iec104_class { IEC104_IS_VALUE, IEC104_IS_COMMAND };
struct iec104_address {
    uint16_t ca;
    bool has_ca;
    uint8_t klass;  /* enum iec104_class */
    uint8_t family; /* of iec104_type; 0: any */
    uint8_t type;   /* commands: the type to send */
    bool counter;   /* M_IT, ymN */
    bool state;     /* yxN: a state, whatever type brings it */
    uint32_t ioa;
};

/* ERR_INVALID; *e gives right examples, e->where is "address". */
MUST_CHECK int iec104_address_parse(struct str text, const struct iec104_rules *rules, struct iec104_address *ret,
                                    struct error *e);
#define IEC104_ADDRESS_TEXT 96
void iec104_address_format(const struct iec104_address *a, char out[IEC104_ADDRESS_TEXT]);
bool iec104_address_number(struct str s, uint64_t *ret); /* 16385, 0x4001 */
