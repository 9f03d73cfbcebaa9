/* hj212.h - HJ 212-2017 and HJ/T 212-2005: data of pollution sources between an instrument and a platform.
 *
 * On the wire   "##" | 4 decimal digits: length of the segment | segment | 4 hex digits: CRC of it | CR LF
 * Segment       QN=yyyymmddhhmmsszzz;ST=32;CN=2011;PW=123456;MN=...;Flag=5;[PNUM=2;PNO=1;]CP=&&...&&
 * CP            items apart by ';', the fields of one item apart by ',':
 *               DataTime=20160801085857;w01018-Rtd=63.0,w01018-Flag=N;w21003-Rtd=1.2,w21003-Flag=N
 *               A value that begins with // goes on to the next //, whatever stands in between.
 * Flag          V5 V4 V3 V2 V1 V0 D A: version (0: 2005, 1: 2017), D: PNUM and PNO follow, A: an answer is wanted
 * CRC           appendix A of the standard: like that of Modbus but for one step (the register is shifted by eight
 *               before a byte goes in), high byte first; over the segment only
 * 2005          QN and Flag may be missing, MN has 14 characters, answers carry the QN inside CP, CP up to 960
 *
 * Everything here is pure: bytes and times in, views into the same bytes out. Only `hj212_parts` keeps memory.
 * Times are local to a zone given in minutes (the standard means +08:00 = 480). */
#pragma once
#include "base/buf.h"
#include "base/time.h"

#define HJ212_SEGMENT_MAX 9999 /* four digits; the standard itself says 1024 */
#define HJ212_FRAME_MAX (HJ212_SEGMENT_MAX + 12)
#define HJ212_SEGMENT_USUAL 1024 /* of frames that we build */
#define HJ212_CP_MAX 950         /* likewise */
#define HJ212_MN_MAX 40
#define HJ212_PW_MAX 20
#define HJ212_QN_MAX 20

uint16_t hj212_crc(const void *p, size_t n);

/* ---- frames ---- */

struct hj212_frame {
    struct str segment; /* also when only its CRC is wrong */
    size_t used;        /* bytes to drop from the front */
};
/* The next frame in a stream. 1: a whole one; 0: more bytes are needed; ERR_PROTOCOL: the first ret->used bytes are
 * rubbish, or a frame that is broken (*e says what). Never more than HJ212_FRAME_MAX bytes are waited for. */
int hj212_frame_next(const void *p, size_t n, struct hj212_frame *ret, struct error *e);
/* A segment that is too long, or has a CR, sets out->err. */
void hj212_frame_put(struct buf *out, struct str segment);

/* ---- segments ---- */

enum { HJ212_FLAG_ANSWER = 1, HJ212_FLAG_PARTS = 2, HJ212_2005 = 0, HJ212_2017 = 4 /* as bits of Flag */ };

struct hj212_message {
    struct str qn, pw, mn; /* empty: not there */
    unsigned st, cn;       /* 0: not there */
    int flag;              /* -1: not there */
    unsigned pnum, pno;    /* 0: one packet */
    struct str cp;         /* between && and && */
};
/* Which field is wrong stands in e->where. */
MUST_CHECK int hj212_message_parse(struct str segment, struct hj212_message *ret, struct error *e);
/* Version bits as in Flag: HJ212_2005, HJ212_2017, or of a later version. */
static inline int hj212_version(const struct hj212_message *m)
{
    return m->flag < 0 ? HJ212_2005 : m->flag & ~3;
}
static inline bool hj212_wants_answer(const struct hj212_message *m)
{
    return m->flag > 0 && (m->flag & HJ212_FLAG_ANSWER);
}
/* The QN that an answer is for: 2005 puts it into CP. */
struct str hj212_answered_qn(const struct hj212_message *m);

/* One frame of it. */
void hj212_message_put(struct buf *out, const struct hj212_message *m);
/* As many frames as CP needs with at most cp_max bytes each (0: what the standard allows), cut between items; more than
 * one carry PNUM and PNO. ERR_TOO_LARGE: one item alone is longer. Returns the number of frames. */
int hj212_message_put_split(struct buf *out, const struct hj212_message *m, size_t cp_max);

/* ---- CP ---- */

struct hj212_cp {
    struct str rest;
    unsigned item;
    bool ended;
};
struct hj212_field {
    unsigned item;   /* fields of one item have the same number */
    struct str name; /* "w01018-Rtd", "DataTime" */
    struct str code; /* "w01018"; the whole name when it has no '-' */
    struct str attr; /* "Rtd"; empty when it has no '-' */
    struct str value;
};
static inline struct hj212_cp hj212_cp_begin(struct str cp)
{
    return (struct hj212_cp){.rest = cp};
}
bool hj212_cp_next(struct hj212_cp *it, struct hj212_field *ret);
/* Value of the first field of that name; {NULL, 0} when there is none. */
struct str hj212_cp_get(struct str cp, const char *name);

/* ---- times ---- */

/* yyyymmddhhmmss, with zzz where it stands. */
MUST_CHECK int hj212_time_parse(struct str s, int tz_minutes, int64_t *ret_us);
#define HJ212_TIME_TEXT 20
const char *hj212_time_format(int64_t us, int tz_minutes, bool milliseconds, char out[HJ212_TIME_TEXT]);

/* ---- packets in parts ---- */

#define HJ212_PARTS_MAX 256
#define HJ212_PARTS_BYTES (256u << 10)
struct hj212_parts { /* zeroed: empty */
    char key[HJ212_MN_MAX + HJ212_QN_MAX + 16];
    unsigned pnum, got;
    size_t bytes;
    struct hj212_part {
        char *p;
        size_t n;
    } * part;
};
void hj212_parts_drop(struct hj212_parts *s);
/* Add a message that has a PNUM. 1: all are there, and whole (cleared first) holds the CP; 0: some are missing;
 * negative: refused (*e). Parts may come twice and in any order; a part of another message drops the former ones. */
int hj212_parts_add(struct hj212_parts *s, const struct hj212_message *m, struct buf *whole, struct error *e);

/* ---- tables of the standard (hj212_codes.c) ---- */

enum hj212_kind { HJ212_REQUEST, HJ212_NOTICE, HJ212_UPLOAD, HJ212_DATA, HJ212_ANSWER };
struct hj212_command {
    unsigned cn;
    enum hj212_kind kind; /* DATA: request by the platform, upload by the instrument */
    const char *en, *zh;
};
const struct hj212_command *hj212_command(unsigned cn); /* NULL: none */

struct hj212_code {
    const char *code, *en, *zh;
    const char *unit; /* as the standard's tables write it; "" for none */
};
/* A pollutant or a quantity by its code, that of 2005 too; a trailing 'z' ("converted") finds the code before it. */
const struct hj212_code *hj212_code(struct str code);
const struct hj212_code *hj212_codes(size_t *ret_n);
/* What "Rtd", "Avg" … say; NULL: unknown. */
const struct hj212_code *hj212_attr(struct str attr);

struct hj212_number {
    int n;
    const char *en, *zh;
};
const struct hj212_number *hj212_qnrtn(int n);   /* answers to requests (table 7) */
const struct hj212_number *hj212_exertn(int n);  /* results of execution (table 6) */
const struct hj212_number *hj212_system(int st); /* what ST says (table 5) */
/* Quality of a data flag (table 8): enum quality, and enum quality_reason. false: no known flag (then uncertain). */
struct hj212_flag {
    char letter;
    unsigned char quality, reason;
    const char *en, *zh;
};
const struct hj212_flag *hj212_flag(struct str flag); /* NULL: unknown */

/* ---- texts (hj212_words.c) ---- */

/* Text of a value as UTF-8: what is no UTF-8 is read as GBK, what is neither shows as U+FFFD. Without the // around.
 * At most cap - 1 bytes, terminated; returns its length. */
size_t hj212_text(struct str value, char *out, size_t cap);
/* A segment or a whole frame in words, cut to cap. */
void hj212_words(const void *p, size_t n, char *en, char *zh, size_t cap);
