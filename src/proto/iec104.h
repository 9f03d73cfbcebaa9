/* iec104.h - IEC 60870-5-104 (DL/T 634.5104): frames, ASDUs, information objects. Pure; any thread.
 *
 * APDU on the wire (IEC 60870-5-104, 5.1; the least significant byte first everywhere):
 *   0x68 | length 4..253 | control 1..4 | ASDU (I frames only)
 *   I  ns*2, ns*2>>8, nr*2, nr*2>>8      numbered from 0 to 32767
 *   S  01 00 nr*2, nr*2>>8               acknowledges
 *   U  function 00 00 00                 STARTDT 07/0B, STOPDT 13/23, TESTFR 43/83 (act/con)
 * ASDU (IEC 60870-5-101, 7.2):
 *   type | SQ bit and number of objects | T, P/N, cause | originator | common address (2) | objects
 *   object: address (3) and element; with SQ=1 one address, that of the first element, then elements.
 * What an element looks like stands in one table, iec104_types: the forms below say how its bytes are
 * read, written and put into words; no type has a function of its own. Lengths are checked against the
 * table before an object is looked at, so iec104_object never reads outside. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/str.h"

#define IEC104_PORT 2404
#define IEC104_APDU_MAX 255
#define IEC104_ASDU_MAX 249
#define IEC104_SEQ 32768 /* numbers of I frames count modulo this */
#define IEC104_IOA_MAX 0xffffff
#define IEC104_ELEMENT_MAX 12 /* bytes of the largest element, with time */

/* ---- APDUs ---- */

enum iec104_format { IEC104_I, IEC104_S, IEC104_U };
enum iec104_function {
    IEC104_STARTDT_ACT = 0x07,
    IEC104_STARTDT_CON = 0x0b,
    IEC104_STOPDT_ACT = 0x13,
    IEC104_STOPDT_CON = 0x23,
    IEC104_TESTFR_ACT = 0x43,
    IEC104_TESTFR_CON = 0x83,
};
struct iec104_apdu {
    enum iec104_format format;
    uint8_t function; /* U */
    uint16_t ns, nr;  /* I: both, S: nr */
    const uint8_t *asdu;
    size_t asdu_n; /* I: 6..249 is not checked here, 0..249 */
    size_t used;   /* bytes of the APDU */
};
/* The APDU at the start of p[n]: 1 found, 0 incomplete, ERR_PROTOCOL (there is no way to go on in the stream). */
int iec104_apdu_next(const uint8_t *p, size_t n, struct iec104_apdu *ret, struct error *e);
/* Return the bytes written: 6 + n, 6, 6. n at most IEC104_ASDU_MAX. */
size_t iec104_put_i(uint16_t ns, uint16_t nr, const uint8_t *asdu, size_t n, uint8_t out[IEC104_APDU_MAX]);
size_t iec104_put_s(uint16_t nr, uint8_t out[6]);
size_t iec104_put_u(enum iec104_function f, uint8_t out[6]);

/* ---- types ---- */

/* How the value of an element stands on the wire. */
enum iec104_form {
    IEC104_NOTHING,    /* 0 bytes */
    IEC104_SINGLE,     /* SIQ: bit 0, quality in the same byte */
    IEC104_DOUBLE,     /* DIQ: bits 0-1, quality in the same byte */
    IEC104_STEP,       /* VTI: -64..63, bit 7 transient */
    IEC104_BITS,       /* BSI: 32 bits */
    IEC104_NORMALIZED, /* NVA: -1..+1-2^-15 as a 16-bit fraction */
    IEC104_SCALED,     /* SVA: 16-bit integer */
    IEC104_FLOAT,      /* R32-IEEE STD 754 */
    IEC104_COUNTER,    /* BCR: 32-bit integer; sequence number, CY, CA, IV */
    IEC104_CHANGES,    /* SCD: 16 states, 16 change bits */
    IEC104_PROTECTION, /* SEP: bits 0-1 event state, EI and quality in the same byte */
    IEC104_PACKED,     /* SPE, OCI: 8 bits */
    IEC104_COMMAND1,   /* SCO: bit 0 state, bits 2-6 qualifier, bit 7 select */
    IEC104_COMMAND2,   /* DCO, RCO: bits 0-1 state, bits 2-6 qualifier, bit 7 select */
    IEC104_BYTE,       /* QOI, QCC, QRP, COI */
    IEC104_WORD,       /* FBP, TSC, CP16Time2a as a value */
};
/* What follows the value. */
enum iec104_tail {
    IEC104_NO_TAIL,
    IEC104_QDS,     /* OV BL SB NT IV */
    IEC104_QDP,     /* EI BL SB NT IV, then CP16Time2a: elapsed */
    IEC104_ELAPSED, /* CP16Time2a alone */
    IEC104_QOS,     /* of a set-point: bits 0-6 qualifier, bit 7 select */
};
enum iec104_stamp { IEC104_NO_TIME, IEC104_CP24, IEC104_CP56 };
enum iec104_direction { IEC104_MONITOR = 1, IEC104_CONTROL = 2, IEC104_BOTH = 3 };

struct iec104_type {
    uint8_t id;
    uint8_t form, tail, stamp, direction; /* the enums above */
    uint8_t family;                       /* the id of the plain type of the same value: 30 -> 1, 58 -> 45 */
    const char *name;                     /* "M_SP_NA_1" */
    const char *en, *zh;
};
const struct iec104_type *iec104_type(unsigned id); /* NULL: not known */
/* "M_SP_NA_1" or "1" (exact), "M_SP_NA", "m_sp" (not exact: its family is meant); NULL: none. Case is ignored. */
const struct iec104_type *iec104_type_parse(struct str s, bool *ret_exact);
size_t iec104_element_size(const struct iec104_type *t); /* with quality and time */
/* The type of the same family with this time tag, or NULL. */
const struct iec104_type *iec104_type_stamped(const struct iec104_type *t, enum iec104_stamp stamp);

enum iec104_type_id {
    IEC104_M_SP_NA = 1,
    IEC104_M_DP_NA = 3,
    IEC104_M_ST_NA = 5,
    IEC104_M_BO_NA = 7,
    IEC104_M_ME_NA = 9,
    IEC104_M_ME_NB = 11,
    IEC104_M_ME_NC = 13,
    IEC104_M_IT_NA = 15,
    IEC104_M_SP_TB = 30,
    IEC104_M_DP_TB = 31,
    IEC104_M_ME_TF = 36,
    IEC104_M_IT_TB = 37,
    IEC104_C_SC_NA = 45,
    IEC104_C_DC_NA = 46,
    IEC104_C_RC_NA = 47,
    IEC104_C_SE_NA = 48,
    IEC104_C_SE_NB = 49,
    IEC104_C_SE_NC = 50,
    IEC104_C_BO_NA = 51,
    IEC104_C_SC_TA = 58,
    IEC104_C_BO_TA = 64,
    IEC104_M_EI_NA = 70,
    IEC104_C_IC_NA = 100,
    IEC104_C_CI_NA = 101,
    IEC104_C_RD_NA = 102,
    IEC104_C_CS_NA = 103,
    IEC104_C_TS_NA = 104,
    IEC104_C_RP_NA = 105,
    IEC104_C_CD_NA = 106,
    IEC104_C_TS_TA = 107,
};

/* ---- ASDUs ---- */

/* Causes of transmission (IEC 60870-5-101, table 14). */
enum iec104_cause {
    IEC104_PERIODIC = 1,
    IEC104_BACKGROUND = 2,
    IEC104_SPONTANEOUS = 3,
    IEC104_INITIALIZED = 4,
    IEC104_REQUEST = 5,
    IEC104_ACT = 6,
    IEC104_ACTCON = 7,
    IEC104_DEACT = 8,
    IEC104_DEACTCON = 9,
    IEC104_ACTTERM = 10,
    IEC104_RETREM = 11,
    IEC104_RETLOC = 12,
    IEC104_FILE = 13,
    IEC104_INROGEN = 20,
    IEC104_REQCOGEN = 37,
    IEC104_UNKNOWN_TYPE = 44,
    IEC104_UNKNOWN_CAUSE = 45,
    IEC104_UNKNOWN_CA = 46,
    IEC104_UNKNOWN_IOA = 47,
};
const char *iec104_cause_words(unsigned cause, bool zh); /* "?" for what the standard does not name */

struct iec104_asdu {
    const struct iec104_type *type;
    uint8_t cause, originator, count; /* count 1..127 */
    bool sequence, test, negative;
    uint16_t ca;
    const uint8_t *objects; /* checked: exactly `count` objects */
    size_t objects_n;
};
/* ERR_PROTOCOL: cut, or the length does not fit type and count. ERR_UNSUPPORTED: a type outside the table;
 * *ret then has cause, originator, ca and the rest of the header with type NULL. */
MUST_CHECK int iec104_asdu_decode(const uint8_t *p, size_t n, struct iec104_asdu *ret, struct error *e);
/* The 6 bytes of a header. */
size_t iec104_put_header(const struct iec104_asdu *a, uint8_t out[6]);

/* ---- information objects ---- */

enum iec104_quality {
    IEC104_OV = 0x01, /* overflow */
    IEC104_EI = 0x08, /* elapsed time invalid (protection equipment) */
    IEC104_BL = 0x10, /* blocked */
    IEC104_SB = 0x20, /* substituted */
    IEC104_NT = 0x40, /* not topical */
    IEC104_IV = 0x80, /* invalid */
    /* of counters, moved here from the sequence byte; IV is the same bit */
    IEC104_CY = 0x100, /* the counter overflowed */
    IEC104_CA = 0x200, /* the counter was adjusted */
};
/* A binary time as it came. Local time of the station's clock. */
struct iec104_time {
    bool set, full; /* full: CP56; else CP24: minute and ms only */
    bool invalid, summer, substituted;
    uint8_t year, month, day, weekday, hour, minute; /* year 0..99; weekday 1..7, 0: not used */
    uint16_t ms;                                     /* 0..59999, of the minute */
};
struct iec104_object {
    uint32_t ioa;
    uint16_t quality;  /* enum iec104_quality, bits */
    int64_t i;         /* all forms but FLOAT; NORMALIZED: the 16-bit integer; CHANGES: states */
    double d;          /* FLOAT, NORMALIZED (as a fraction), and i as a number for the rest */
    bool transient;    /* STEP */
    bool select;       /* commands and set-points: S/E */
    uint8_t qualifier; /* commands: QU 0..31; set-points: QL 0..127; counters: sequence number 0..31 */
    uint16_t changes;  /* CHANGES */
    uint16_t elapsed_ms;
    struct iec104_time time;
};
/* Object k < a->count. */
struct iec104_object iec104_object(const struct iec104_asdu *a, unsigned k);
/* One element (without address) of iec104_element_size bytes, both ways. Values that do not fit are cut to the
 * field's range; check before. */
void iec104_element_get(const struct iec104_type *t, const uint8_t *p, struct iec104_object *ret);
size_t iec104_element_put(const struct iec104_type *t, const struct iec104_object *o, uint8_t *out);
size_t iec104_put_ioa(uint32_t ioa, uint8_t out[3]);
/* An ASDU of one object; returns its size. */
size_t iec104_put_one(const struct iec104_asdu *head, const struct iec104_object *o, uint8_t out[IEC104_ASDU_MAX]);

/* ---- time ---- */

/* Bytes <-> fields. */
struct iec104_time iec104_cp56_get(const uint8_t p[7]);
struct iec104_time iec104_cp24_get(const uint8_t p[3]);
void iec104_cp56_put(const struct iec104_time *t, uint8_t p[7]);
void iec104_cp24_put(const struct iec104_time *t, uint8_t p[3]);
/* A local time (microseconds since 1970-01-01T00:00 of the local clock) as fields; below a millisecond is cut. */
struct iec104_time iec104_time_of(int64_t local_us);
/* Fields as local microseconds; years 70..99 are 1970..1999. A CP24 takes the hour in which it is nearest to near_us.
 * ERR_INVALID: not set, marked invalid, or fields out of range. */
MUST_CHECK int iec104_time_local(const struct iec104_time *t, int64_t near_us, int64_t *ret_us);

/* ---- words ---- */

/* A frame for people, terminated, cut to cap: "I(5,2) M_ME_NC_1 general interrogation, CA 1, 3 objects: 16385 = 1.5,
 * ...". */
void iec104_words(const uint8_t *p, size_t n, bool zh, char *out, size_t cap);
/* The value of an object for people: "on", "between", "12.5 OV". */
void iec104_value_words(const struct iec104_type *t, const struct iec104_object *o, bool zh, char *out, size_t cap);
