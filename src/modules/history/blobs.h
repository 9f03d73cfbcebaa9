/* blobs.h - routes of values that are no numbers: /points/{id}/blobs, /points/{id}/waveforms, /history/blobs. */
#pragma once
#include "core/api.h"
#include "core/node.h"
#include "model/ts_text.h"
#include "model/waveform.h"

int blob_routes(struct node *n, void *module, struct error *e);

/* ---- between blobs.c and waveforms.c ---- */
/* Keep the bytes as the value of the point in the path at `time_us`; answers 201. */
MUST_CHECK int blob_keep(struct api_call *c, const struct api_point *p, int64_t time_us, const char *type,
                         struct str bytes, struct error *e);
/* Time words, ISO 8601 or milliseconds; absent: now. */
MUST_CHECK int blob_time(struct api_call *c, struct str text, int64_t *ret, struct error *e);
/* The blob that the path names (param 0: point, 1: time), and its bytes. 1: it has expired, and that is answered. */
struct blob_value {
    struct api_point point;
    struct sample sample;
    struct ts_blob what;
    struct buf bytes;
};
MUST_CHECK int blob_open(struct api_call *c, struct blob_value *ret, struct error *e);
void blob_close(struct blob_value *v);

int waveform_post(struct api_call *c, struct error *e);
int waveform_spectrum_get(struct api_call *c, struct error *e);
/* A waveform in another form: format json or csv, or an outline (px). 1: it is not asked for. */
int waveform_formats(struct api_call *c, struct blob_value *v, struct error *e);
/* "waveform":{…} of a list; nothing when the bytes are none. */
void waveform_note(struct json_writer *w, struct str bytes);
