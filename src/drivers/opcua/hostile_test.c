/* Servers that are broken or mean no good: what they can make the client keep or do is bounded, and when they behave
 * again values go on. */
#include "drivers/opcua/server_bed.h"
#include "proto/opcua/ua_channel_int.h"

static struct bed *up(const char *more, uint32_t points)
{
    struct bed *b = bed_new(more);
    bed_points(b, points);
    UNTIL(b, b->state == DRIVER_UP && b->nhandles == points && b->nwaiting >= 2);
    return b;
}
static void still_well(struct bed *b)
{
    UNTIL(b, b->state == DRIVER_UP && b->nhandles && b->nwaiting > 0);
    unsigned before = b->count[1];
    CHECK(bed_tell(b, 0, 42));
    UNTIL(b, b->count[1] > before && b->last[1].v.d == 42 && b->last[1].quality == QUALITY_GOOD);
}

TEST(values_come)
{
    struct bed *b = up("", 3);
    CHECK(bed_tell(b, 1, 1.5));
    UNTIL(b, b->count[2] == 1);
    CHECK(b->last[2].type == SAMPLE_DOUBLE && b->last[2].v.d == 1.5);
    still_well(b);
    bed_free(b);
}

/* Chunks that never end, a message that is too long, bytes that are none: the connection is given up and made anew. */
TEST(bytes_that_are_no_answers)
{
    static const uint8_t huge[] = {'M', 'S', 'G', 'F', 0xff, 0xff, 0xff, 0x7f},
                         hello[] = {'H', 'E', 'L', 'F', 8, 0, 0, 0}, text[] = "HTTP/1.1 400 Bad Request\r\n\r\n",
                         token[] = {'M', 'S', 'G', 'F', 24, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 1, 0, 0, 0, 1, 0, 0, 0};
    static const struct {
        const uint8_t *p;
        size_t n;
    } rows[] = {{huge, sizeof huge}, {hello, sizeof hello}, {text, sizeof text}, {token, sizeof token}};
    struct bed *b = up("", 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned before = b->seen[UA_T_activate_session_request];
        peer_put(b->peer, rows[i].p, rows[i].n);
        UNTIL(b, b->state == DRIVER_DOWN);
        CHECK_INT(b->last[1].quality, QUALITY_BAD);
        bed_skip(b, 200);
        UNTIL(b, b->seen[UA_T_activate_session_request] > before);
        still_well(b);
    }
    bed_free(b);
}

/* The answer to a publish request in chunks without end. */
TEST(an_answer_without_end)
{
    struct bed *b = up("", 1);
    static uint8_t chunk[25];
    struct ua_channel_info i = ua_channel_info(b->peer->ua);
    struct peer *p = b->peer;
    unsigned before = b->seen[UA_T_activate_session_request];
    size_t most = 0;
    uint32_t sequence = (uint32_t)i.chunks_out + 1, size = sizeof chunk; /* the opening is one of them */
    memcpy(chunk, "MSGC", 4);
    memcpy(chunk + 4, &size, 4);
    memcpy(chunk + 8, &i.channel_id, 4);
    memcpy(chunk + 12, &i.token_id, 4);
    memcpy(chunk + 20, &b->waiting[0].request, 4);
    for (int k = 0; k < 6000 && p == b->peer && !p->over; k++, sequence++) {
        memcpy(chunk + 16, &sequence, 4);
        peer_put(p, chunk, sizeof chunk);
        size_t held = CHANNEL(b)->ua ? ua_channel_info(CHANNEL(b)->ua).partial_bytes : 0;
        if (held > most) most = held;
        CHECK(held <= ua_limits_default.message);
        if (k % 100 == 0) bed_step(b);
    }
    bed_skip(b, 200);
    UNTIL(b, b->seen[UA_T_activate_session_request] > before);
    CHECK(most > 1000);
    still_well(b);
    bed_free(b);
}

/* ---- notifications ------------------------------------------------------------------------------------------- */

TEST(notifications_of_nothing_we_know)
{
    struct bed *b = up("", 2);
    double v = 5;
    struct ua_monitored_item_notification n[3] = {
        {.client_handle = 0}, {.client_handle = 99999}, {.client_handle = UINT32_MAX}};
    struct ua_data_change_notification d = {.monitored_items = n, .monitored_items_n = 3};
    for (int k = 0; k < 3; k++)
        n[k].value = (struct ua_datavalue){.has = UA_HAS_VALUE, .value = ua_variant_scalar(UA_DOUBLE, &v)};
    CHECK(bed_notify(b, b->sub + 7, 1, UA_T_data_change_notification, &d)); /* no subscription of ours */
    UNTIL(b, b->nwaiting >= 2);
    CHECK(bed_notify(b, b->sub, ++b->sequence, UA_T_data_change_notification, &d));
    UNTIL(b, b->nwaiting >= 2);
    CHECK_INT(b->count[1] + b->count[2], 0);
    still_well(b);
    bed_free(b);
}
/* A jump in the numbers: what is missing is asked for, but not without end. */
TEST(sequence_numbers_that_jump)
{
    static const uint32_t jumps[] = {1, 3, 60, 100, 1u << 20, UINT32_MAX - 5};
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        struct bed *b = up("", 1);
        b->sequence += jumps[i];
        CHECK(bed_tell(b, 0, 1));
        UNTIL(b, b->count[1] == 1);
        unsigned want = jumps[i] <= OC_MISSING_MAX ? jumps[i] : 0;
        UNTIL(b, b->seen[UA_T_republish_request] == want);
        bed_step(b);
        CHECK_INT(b->seen[UA_T_republish_request], want);
        still_well(b);
        bed_free(b);
    }
}
/* The subscription ends again and again: it is made anew, and nothing grows. */
TEST(subscriptions_that_end_and_end)
{
    struct bed *b = up("", 10);
    struct ua_status_change_notification gone = {.status = UA_BAD_TIMEOUT};
    for (unsigned k = 0; k < 200; k++) {
        unsigned before = b->seen[UA_T_create_monitored_items_request];
        CHECK(bed_notify(b, b->sub, b->sequence + 1, UA_T_status_change_notification, &gone));
        b->nhandles = 0;
        UNTIL(b, b->seen[UA_T_create_monitored_items_request] > before && b->nhandles == 10 && b->nwaiting >= 2);
        CHECK(CHANNEL(b)->nhandles <= 11 && CHANNEL(b)->nacks < 10);
    }
    still_well(b);
    bed_free(b);
}
/* After a loss the subscription is taken over, and the server names a million messages that it kept. */
static bool million(struct bed *b, const struct ua_event *ev)
{
    if (ev->type == UA_T_activate_session_request && b->seen[UA_T_activate_session_request] == 2) {
        bed_fault(b, ev, UA_BAD_SESSION_ID_INVALID);
        return true;
    }
    if (ev->type != UA_T_transfer_subscriptions_request) return false;
    struct ua_transfer_result r = {.available_sequence_numbers_n = 1000000};
    r.available_sequence_numbers = bed_array(b, 1000000, sizeof(uint32_t));
    for (uint32_t k = 0; k < 1000000; k++) r.available_sequence_numbers[k] = k + 2;
    BED_ANSWER(b, ev, transfer_subscriptions_response, .results = &r, .results_n = 1);
    return true;
}
TEST(a_million_messages_to_ask_for)
{
    struct bed *b = up("", 1);
    b->script = million;
    peer_close(b->peer);
    UNTIL(b, b->state == DRIVER_DOWN);
    bed_skip(b, 200);
    UNTIL(b, b->state == DRIVER_UP && b->nwaiting >= 2);
    CHECK_INT(b->seen[UA_T_transfer_subscriptions_request], 1);
    CHECK(b->seen[UA_T_republish_request] <= OC_MISSING_MAX);
    bed_free(b);
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

struct wrong {
    unsigned request;
    int how; /* 0 a fault, 1 another answer, 2 the right one but empty, 3 nothing that can be read, 4 a fault that is
                none */
};
static bool wrongly(struct bed *b, const struct ua_event *ev)
{
    static const uint8_t trash[] = {1, 0, 0xff, 0xff, 0xff, 0xff, 0xff};
    const struct wrong *w = b->script_arg;
    static union {
        struct ua_response_header h;
        uint8_t room[1024];
    } empty;
    if (ev->type != w->request || b->seen[ev->type] != 1) return false;
    memset(&empty, 0, sizeof empty);
    if (w->how == 0) bed_fault(b, ev, UA_BAD_INTERNAL_ERROR);
    if (w->how == 4) bed_fault(b, ev, 0x6e73c203); /* neither good nor bad */
    if (w->how == 1) BED_ANSWER(b, ev, browse_response, .results_n = 0);
    if (w->how == 2) bed_answer(b, ev->request_id, ev->handle, ua_response_of(ev->type), &empty);
    if (w->how == 3) {
        struct ua_channel_info i = ua_channel_info(b->peer->ua);
        uint32_t head[5] = {24 + sizeof trash, i.channel_id, i.token_id, (uint32_t)i.chunks_out + 1, ev->request_id};
        peer_put(b->peer, "MSGF", 4);
        peer_put(b->peer, head, sizeof head);
        peer_put(b->peer, trash, sizeof trash);
        b->script = NULL; /* its own numbers do not follow any more */
    }
    return true;
}
/* Whatever comes in place of each answer on the way up: it gets there in the end. */
TEST(wrong_answers_on_the_way_up)
{
    static const unsigned requests[] = {UA_T_get_endpoints_request,       UA_T_create_session_request,
                                        UA_T_activate_session_request,    UA_T_read_request,
                                        UA_T_create_subscription_request, UA_T_create_monitored_items_request};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        for (int how = 0; how < 5; how++) {
            struct bed *b = bed_new("");
            struct wrong w = {requests[i], how};
            b->script = wrongly;
            b->script_arg = &w;
            bed_points(b, 2);
            UNTIL(b, b->seen[requests[i]] > 0);
            for (int k = 0; k < 100 && !(b->state == DRIVER_UP && b->nhandles); k++) {
                bed_step(b);
                bed_skip(b, 2000);
            }
            if (!(b->state == DRIVER_UP && b->nhandles))
                test_fail(__FILE__, __LINE__, "%s answered by %d: state %d", ua_type_name(requests[i]), how, b->state);
            bed_free(b);
        }
    }
}
/* Answers that nobody asked for, and each answer twice. */
TEST(answers_that_nobody_asked_for)
{
    struct bed *b = up("", 1);
    for (uint32_t k = 0; k < 1000; k++) bed_answer(b, 100000 + k, 1, UA_T_read_response, &(struct ua_read_response){0});
    for (uint32_t k = 0; k < b->nwaiting; k++) /* for each publish request that waits: twice */
        for (int twice = 0; twice < 2; twice++)
            bed_answer(
                b, b->waiting[k].request, b->waiting[k].handle, UA_T_publish_response,
                &(struct ua_publish_response){.subscription_id = b->sub, .notification_message.sequence_number = 1});
    b->nwaiting = 0;
    UNTIL(b, b->nwaiting >= 2);
    still_well(b);
    bed_free(b);
}
/* A sink that takes nothing: reading stops, so a server that floods fills its own socket and not our memory. */
TEST(a_flood_while_the_sink_is_full)
{
    struct bed *b = up("", 1);
    b->full = true;
    CHECK(bed_tell(b, 0, 1));
    UNTIL(b, CHANNEL(b)->held);
    struct ua_read_response none = {0};
    struct peer *p = b->peer;
    size_t most = 0;
    for (uint32_t k = 0; k < 20000 && !p->over; k++) {
        if (ua_channel_answer(p->ua, 100000 + k, UA_T_read_response, &none)) break;
        struct buf *out = ua_channel_out(p->ua);
        uv_buf_t o = uv_buf_init((char *)out->p, (unsigned)out->n);
        int n = uv_try_write((uv_stream_t *)&p->tcp, &o, 1);
        if (n > 0) buf_drop(out, (size_t)n);
        if (k % 1000 == 0) uv_run(&b->loop, UV_RUN_NOWAIT);
        if (CHANNEL(b)->ua->in.n > most) most = CHANNEL(b)->ua->in.n;
    }
    CHECK(CHANNEL(b)->held && most < 1 << 20);
    b->full = false;
    bed_skip(b, 200);
    UNTIL(b, (oc_pump(CHANNEL(b)), !CHANNEL(b)->held) && b->count[1] > 0);
    peer_out(p);
    still_well(b);
    bed_free(b);
}
