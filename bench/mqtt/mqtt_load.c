/* mqtt_load.c - a load of MQTT 3.1.1: `publish` sends JSON of 100 bytes with QoS 1 over many connections, each with a
 * window of messages under way, one message a write; `idle` opens connections and holds them until stdin closes.
 *   mqtt_load publish|idle -p port -c connections -n messages -w window -t topic [-u file of user names] [-s
 * subscriber's user] With -s one more connection subscribes to everything with QoS 1 and acknowledges. Prints one line
 * of JSON. One thread; one more for the subscriber. Values and times differ from message to message, as those of
 * devices do. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 512
#define PAYLOAD 100

struct conn {
    int fd, inflight;
    long left, sent;
    uint16_t id;
    size_t rest, have; /* bytes of out not written, bytes of in */
    uint8_t out[PACKET_MAX], in[256];
};
static int port = 1883, nconns = 100, window = 20;
static long total = 1000000;
static const char *topic = "v1/devices/me/telemetry", *users, *subscriber;
static atomic_long received;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
    fprintf(stderr, "mqtt_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static size_t put_text(uint8_t *p, const char *s)
{
    size_t n = strlen(s);
    p[0] = (uint8_t)(n >> 8);
    p[1] = (uint8_t)n;
    memcpy(p + 2, s, n);
    return n + 2;
}

static int dial(const char *id, const char *user)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    uint8_t p[400] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0x0e, 0x10}, r[4];
    size_t n = 12;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    n += put_text(p + n, id);
    if (user) {
        p[9] |= 0x80;
        n += put_text(p + n, user);
    }
    p[1] = (uint8_t)(n - 2);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fd < 0 || connect(fd, (void *)&a, sizeof a) || write(fd, p, n) != (ssize_t)n ||
        recv(fd, r, 4, MSG_WAITALL) != 4)
        fail("connect");
    if (r[0] != 0x20 || r[3]) {
        fprintf(stderr, "mqtt_load: %s is refused with %u\n", id, r[3]);
        exit(1);
    }
    return fd;
}

/* ---- the subscriber ---- */

static size_t take_packets(int fd, uint8_t *b, size_t have)
{
    static uint8_t acks[1 << 16];
    size_t at = 0, n = 0;
    while (have - at >= 2) {
        size_t len = b[at + 1] & 127, head = 2;
        if (b[at + 1] & 128) {
            if (have - at < 3) break;
            len |= (size_t)b[at + 2] << 7;
            head = 3;
        }
        if (have - at < head + len) break;
        if (b[at] >> 4 == 3) {
            size_t id = at + head + 2 + (size_t)(b[at + head] << 8 | b[at + head + 1]);
            atomic_fetch_add_explicit(&received, 1, memory_order_relaxed);
            if (b[at] & 6) {
                memcpy(acks + n, (uint8_t[]){0x40, 2, b[id], b[id + 1]}, 4);
                n += 4;
            }
        }
        at += head + len;
        if (n == sizeof acks) {
            if (write(fd, acks, n) < 0) fail("subscriber");
            n = 0;
        }
    }
    if (n && write(fd, acks, n) < 0) fail("subscriber");
    memmove(b, b + at, have - at);
    return have - at;
}

static void *subscribe_main(void *arg)
{
    static uint8_t b[1 << 18];
    int fd = (int)(intptr_t)arg;
    size_t have = 0;
    for (;;) {
        ssize_t k = read(fd, b + have, sizeof b - have);
        if (k <= 0) return NULL;
        have = take_packets(fd, b, have + (size_t)k);
    }
}

static void subscribe(void)
{
    static const uint8_t p[] = {0x82, 6, 0, 1, 0, 1, '#', 1};
    uint8_t r[5];
    pthread_t t;
    int fd = dial("subscriber", *subscriber ? subscriber : NULL);
    if (write(fd, p, sizeof p) < 0 || recv(fd, r, 5, MSG_WAITALL) != 5) fail("subscribe");
    pthread_create(&t, NULL, subscribe_main, (void *)(intptr_t)fd);
}

/* ---- publishers ---- */

static void make_packet(struct conn *c)
{
    static int64_t start_ms;
    char body[PACKET_MAX];
    struct timespec t;
    if (!start_ms) {
        clock_gettime(CLOCK_REALTIME, &t);
        start_ms = (int64_t)t.tv_sec * 1000 - 3600000;
    }
    long k = c->sent++;
    int n = snprintf(body, sizeof body,
                     "{\"ts\":%lld,\"values\":{\"temperature\":%ld.%02ld,\"pressure\":%ld.%03ld,\"running\":true",
                     (long long)(start_ms + k), 400 + k % 50, k % 100, 100 + k % 7, k % 1000);
    n += snprintf(body + n, sizeof body - (size_t)n, "}}");
    while (n < PAYLOAD) body[n++] = ' ';
    if (!++c->id) c->id = 1;
    size_t nt = strlen(topic), len = 2 + nt + 2 + (size_t)n, at = 0;
    c->out[at++] = 0x32;
    if (len > 127) c->out[at++] = (uint8_t)(len | 128);
    c->out[at++] = (uint8_t)(len > 127 ? len >> 7 : len);
    at += put_text(c->out + at, topic);
    c->out[at++] = (uint8_t)(c->id >> 8);
    c->out[at++] = (uint8_t)c->id;
    memcpy(c->out + at, body, (size_t)n);
    c->rest = at + (size_t)n;
}

static bool flush(struct conn *c)
{
    while (c->rest) {
        ssize_t k = write(c->fd, c->out, c->rest);
        if (k < 0 && errno == EAGAIN) return false;
        if (k < 0) fail("write");
        memmove(c->out, c->out + k, c->rest -= (size_t)k);
    }
    return true;
}

static void pump(struct conn *c)
{
    while (flush(c) && c->left && c->inflight < window) {
        make_packet(c);
        c->left--;
        c->inflight++;
    }
}

static long take_acks(struct conn *c)
{
    long n = 0;
    ssize_t k = read(c->fd, c->in + c->have, sizeof c->in - c->have);
    if (k == 0) {
        fprintf(stderr, "mqtt_load: the broker closed a connection\n");
        exit(1);
    }
    if (k < 0) {
        if (errno == EAGAIN) return 0;
        fail("read");
    }
    c->have += (size_t)k;
    size_t at = 0;
    for (; c->have - at >= 4; at += 4) n += c->in[at] == 0x40;
    memmove(c->in, c->in + at, c->have -= at);
    c->inflight -= (int)n;
    return n;
}

static char **read_users(int n)
{
    char **list = calloc((size_t)n, sizeof *list), line[300];
    FILE *f = users ? fopen(users, "r") : NULL;
    if (users && !f) fail(users);
    for (int i = 0; f && i < n && fgets(line, sizeof line, f); i++) {
        line[strcspn(line, "\n")] = '\0';
        list[i] = strdup(line);
    }
    if (f) fclose(f);
    return list;
}

static struct conn *open_all(const char *prefix)
{
    struct conn *c = calloc((size_t)nconns, sizeof *c);
    char **names = read_users(nconns), id[40];
    for (int i = 0; i < nconns; i++) {
        snprintf(id, sizeof id, "%s%06d", prefix, i);
        c[i].fd = dial(id, names[i] ? names[i] : users ? names[0] : NULL);
        c[i].left = total / nconns;
    }
    return c;
}

static void publish(void)
{
    struct conn *c = open_all("load");
    struct epoll_event ev[256];
    int ep = epoll_create1(0);
    long acked = 0, want = total / nconns * nconns;
    if (subscriber) subscribe();
    double start = now();
    for (int i = 0; i < nconns; i++) {
        fcntl(c[i].fd, F_SETFL, O_NONBLOCK);
        epoll_ctl(ep, EPOLL_CTL_ADD, c[i].fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = &c[i]});
        pump(&c[i]);
    }
    while (acked < want) {
        int n = epoll_wait(ep, ev, 256, 20000);
        if (n == 0) fail("nothing comes any more");
        for (int i = 0; i < n; i++) {
            acked += take_acks(ev[i].data.ptr);
            pump(ev[i].data.ptr);
        }
    }
    double took = now() - start;
    for (double end = now() + 20; subscriber && atomic_load(&received) < want && now() < end;) usleep(1000);
    printf("{\"acked\":%ld,\"seconds\":%.3f,\"received\":%ld}\n", acked, took, atomic_load(&received));
}

static void idle(void)
{
    char c;
    double start = now();
    (void)open_all("idle");
    printf("{\"connections\":%d,\"seconds\":%.3f}\n", nconns, now() - start);
    fflush(stdout);
    while (read(0, &c, 1) > 0) continue;
}

int main(int argc, char **argv)
{
    int o;
    struct rlimit r = {20000, 20000};
    signal(SIGPIPE, SIG_IGN);
    (void)setrlimit(RLIMIT_NOFILE, &r);
    while ((o = getopt(argc, argv, "p:c:n:w:t:u:s:")) != -1) switch (o) {
        case 'p': port = (int)strtol(optarg, NULL, 10); break;
        case 'c': nconns = (int)strtol(optarg, NULL, 10); break;
        case 'n': total = strtol(optarg, NULL, 10); break;
        case 'w': window = (int)strtol(optarg, NULL, 10); break;
        case 't': topic = optarg; break;
        case 'u': users = optarg; break;
        case 's': subscriber = optarg; break;
        default: return 2;
        }
    const char *mode = optind < argc ? argv[optind] : "";
    if (strcmp(mode, "publish") == 0)
        publish();
    else if (strcmp(mode, "idle") == 0)
        idle();
    else
        return 2;
    return 0;
}
