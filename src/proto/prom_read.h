/* prom_read.h - messages of Prometheus' remote read, without their Snappy: a request in, samples out. Pure.
 *
 *   ReadRequest   1 Query*  (2 accepted response types: SAMPLES is always accepted)
 *   Query         1 start ms  2 end ms (both inclusive)  3 LabelMatcher*
 *   LabelMatcher  1 type (0 =, 1 !=, 2 =~, 3 !~)  2 name  3 value
 *   ReadResponse  1 QueryResult*      QueryResult  1 TimeSeries*
 *   TimeSeries    1 Label*  2 Sample*   Label  1 name  2 value   Sample  1 value (f64)  2 time ms
 * Protocol Buffers: a key is (field << 3 | wire type) as varint; wire types 0 varint, 1 eight bytes, 2 length and
 * bytes, 5 four bytes. Fields that are not known are passed over. */
#pragma once
#include "base/buf.h"

enum prom_match { PROM_EQ, PROM_NE, PROM_RE, PROM_NRE };
struct prom_matcher {
    enum prom_match type;
    struct str name, value;
};
struct prom_query {
    int64_t start_ms, end_ms;
    struct str body; /* for prom_matcher_next */
};
/* Cut the next one off. 1: there is one, 0: no more, ERR_INVALID. */
MUST_CHECK int prom_query_next(struct str *request, struct prom_query *ret);
MUST_CHECK int prom_matcher_next(struct str *query_body, struct prom_matcher *ret);

/* Writing from the outside in: open gives a mark for close. */
size_t prom_open(struct buf *out, unsigned field);
void prom_close(struct buf *out, size_t mark);
void prom_label(struct buf *out, struct str name, struct str value); /* into an open TimeSeries, in order of names */
void prom_sample(struct buf *out, double value, int64_t time_ms);    /* behind its labels */
#define PROM_STALE 0x7ff0000000000002ull /* bits of the value that ends a line */
