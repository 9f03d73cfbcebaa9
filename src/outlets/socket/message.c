/* message.c - items into bytes (sender_int.h). */
#include "outlets/socket/sender_int.h"

static void put_length(const struct so_config *c, uint64_t v, uint8_t *p)
{
    for (unsigned i = 0; i < c->length_size; i++)
        p[c->length_little ? i : c->length_size - 1 - i] = (uint8_t)(v >> 8 * i);
}

/* Start bytes, length, text, end bytes. */
static int one_message(struct so_sender *ch, const struct outlet_item *items, size_t n)
{
    const struct so_config *c = &ch->cfg;
    uint8_t length[4] = {0};
    buf_clear(&ch->out);
    buf_add(&ch->out, c->start.p, c->start.n);
    size_t at = ch->out.n;
    if (c->framing == SO_LENGTH) buf_add(&ch->out, length, c->length_size);
    size_t text = ch->out.n;
    int rc = payload_write(ch->payload, ch->points.at, items, n, &ch->out);
    if (c->framing == SO_DELIMITER) buf_add(&ch->out, c->end.p, c->end.n);
    if (rc || ch->out.err) return rc ? rc : ch->out.err;
    if (c->framing != SO_LENGTH) return 0;
    int64_t value = (int64_t)(ch->out.n - text) + c->length_adjust;
    if (value < 0 || (c->length_size < 4 && value >> 8 * c->length_size)) return ERR_TOO_LARGE;
    put_length(c, (uint64_t)value, ch->out.p + at);
    return 0;
}

int message_texts(struct so_sender *ch, const struct outlet_item *items, size_t n, so_emit *emit, void *ctx)
{
    size_t step = ch->cfg.single ? 1 : n, most = ch->cfg.mode == SO_UDP ? SO_DATAGRAM_MAX : SO_MESSAGE_MAX;
    int messages = 0;
    for (size_t i = 0; i < n; i += step) {
        if (step > n - i) step = n - i;
        int rc = one_message(ch, items + i, step);
        if (rc == 0 && ch->out.n > most) rc = ERR_TOO_LARGE;
        if (rc == ERR_TOO_LARGE && step > 1) {
            step /= 2;
            i -= step; /* the same items again, fewer at once */
            continue;
        }
        if (rc) return rc;
        emit(ctx, ch->out.p, ch->out.n, step);
        messages++;
    }
    return messages;
}

/* What is bad, is no number where one is wanted, or does not fit leaves the place as it was. */
void message_apply(struct so_sender *ch, const struct outlet_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct sample *s = &items[i].sample;
        const struct field *f = items[i].slot < ch->points.n ? ch->slots[items[i].slot].field : NULL;
        double v = s->type == SAMPLE_DOUBLE ? s->v.d : (double)s->v.i;
        bool text = s->type == SAMPLE_STRING;
        if (f == NULL || s->quality == QUALITY_BAD || s->type == SAMPLE_NONE || s->type == SAMPLE_BLOB) continue;
        if (text != (field_type(f) == VALUE_STRING)) continue;
        if (field_put(f, text ? 0 : v, text ? str_make(items[i].text, items[i].text_len) : STR(""), ch->image,
                      ch->cfg.frame_n, NULL))
            ch->st.errors++;
    }
}

size_t message_image(const struct so_sender *ch, uint8_t *out)
{
    const struct checksum_spec *s = &ch->cfg.sum;
    int n = (int)ch->cfg.frame_n;
    memcpy(out, ch->image, ch->cfg.frame_n);
    if (s->kind == CHECKSUM_NONE) return ch->cfg.frame_n;
    int at = s->at < 0 ? n + s->at : s->at, from = s->from < 0 ? n + s->from : s->from;
    int to = s->to == 0 ? at : s->to < 0 ? n + s->to : s->to;
    checksum_put(s, out + from, (size_t)(to - from), out + at); /* checked when the channel was opened */
    return ch->cfg.frame_n;
}
