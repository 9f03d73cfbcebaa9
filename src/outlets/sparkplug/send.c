/* send.c - batches: items to data messages, a message for each device, in their order; behind them the fence. */
#include "outlets/sparkplug/edge_int.h"

static bool fits(struct se_channel *ch, const struct outlet_item *items, size_t n)
{
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        struct se_metric *m = &ch->metrics[items[i].slot];
        uint8_t type = se_type_of(m, &items[i].sample);
        if (type == m->datatype) continue;
        m->datatype = type;
        all = false;
    }
    return all;
}

/* One message: the items of the device of items[i], from there on, as many as go in. */
static int post_from(struct se_channel *ch, const struct outlet_item *items, bool *done, size_t n, size_t i,
                     bool historical)
{
    uint32_t device = ch->metrics[items[i].slot].device, count = 0;
    se_data_begin(ch);
    for (size_t k = i; k < n && ch->payload.n < SE_DATA_BYTES; k++) {
        if (done[k] || ch->metrics[items[k].slot].device != device) continue;
        done[k] = true;
        if (items[k].sample.type == SAMPLE_BLOB) continue; /* Sparkplug has no place for waveforms of unknown form */
        se_data_add(ch, items[k].slot, &items[k].sample, str_make(items[k].text, items[k].text_len), historical);
        count++;
    }
    return count ? se_post(ch, device ? SPB_DDATA : SPB_NDATA, device, count) : 0;
}

static int post_all(struct se_channel *ch, const struct outlet_item *items, size_t n, bool historical)
{
    AUTO_FREE bool *done = mem_calloc(n + 1, sizeof *done);
    int rc = done ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < n && rc == 0; i++)
        if (!done[i]) rc = post_from(ch, items, done, n, i, historical);
    return rc;
}

static int put_off(struct se_channel *ch)
{
    ch->refused = true;
    return ERR_AGAIN;
}

int se_send(struct outlet_channel *base, const struct outlet_item *items, size_t n, enum outlet_flow flow,
            uint64_t ticket)
{
    struct se_channel *ch = (struct se_channel *)base;
    struct se_batch b = {.ticket = ticket, .items = (uint32_t)n};
    struct error e;
    if (ch->closing || ch->conn != SE_BORN || ch->nbatches == SE_BATCHES || ch->queued > SE_QUEUE_BYTES)
        return put_off(ch);
    for (size_t i = 0; i < n; i++)
        if (items[i].slot >= ch->nmetrics) return put_off(ch); /* of a set that is not told yet */
    int rc = fits(ch, items, n) ? 0 : se_births(ch);
    if (rc == 0) rc = post_all(ch, items, n, flow == OUTLET_BACKFILL);
    if (rc == 0) rc = se_fence(ch, &b.fence);
    if (rc) { /* half of it is on its way: the connection ends, all comes again */
        error_set(&e, rc, "", "the messages of a batch could not be made: %s%.0s", "无法生成一批消息：%.0s%s",
                  error_title(rc), error_title_zh(rc));
        se_fail(ch, &e);
        return put_off(ch);
    }
    ch->batches[ch->nbatches++] = b;
    se_pump(ch);
    return 0;
}

static struct se_batch pop(struct se_channel *ch)
{
    struct se_batch b = ch->batches[0];
    memmove(ch->batches, ch->batches + 1, --ch->nbatches * sizeof b);
    return b;
}

void se_fenced(struct se_channel *ch, uint64_t token)
{
    const struct outlet_host *h = ch->base.host;
    while (ch->nbatches && ch->batches[0].fence <= token) {
        struct se_batch b = pop(ch);
        ch->st.items += b.items;
        ch->st.last_ok_us = se_utc(ch);
        h->sent(h->ctx, b.ticket, NULL);
    }
}

void se_batches_lost(struct se_channel *ch, const struct error *e)
{
    const struct outlet_host *h = ch->base.host;
    while (ch->nbatches) {
        struct se_batch b = pop(ch);
        h->sent(h->ctx, b.ticket, e);
    }
}
