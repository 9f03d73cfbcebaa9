/* http_peer.c - the same questions, again and again, to any server of HTTP/1.1, with as little of its own as can be.
 *
 *   bench_http_peer PORT FILE REPEATS SECONDS PID…
 *
 * FILE holds whole requests, heads included; FILE.idx has a line each: offset, bytes. One keep-alive connection to
 * 127.0.0.1; each request is written by one send, and its answer read to the end (Content-Length, or chunks to the
 * last) before the next. Every request is sent once to warm up; then they are sent in turn, REPEATS times or for
 * SECONDS, whichever ends first, but each at least once. CPU is that of the processes PID…, by their CPU clocks,
 * which count threads that have ended and are not rounded to ticks.
 * Prints {"requests","p50_ms","p99_ms","cpu_ms","bytes"}: milliseconds of wall a request, CPU and bytes of answer a
 * request (bytes with its head). An answer that is not 2xx ends the run with its beginning. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 65536
#define READ_SIZE (1u << 20)
#define REQUESTS_MAX 1024
#define PIDS_MAX 16

_Noreturn static void fail(const char *what, const char *text)
{
    fprintf(stderr, "bench_http_peer: %s %s\n", what, text);
    exit(1);
}

static double now_ms(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) fail("a clock", "cannot be read");
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double cpu_ms(char *const *pids, int n)
{
    double total = 0;
    for (int i = 0; i < n && i < PIDS_MAX; i++) {
        clockid_t clock;
        if (clock_getcpuclockid((pid_t)strtol(pids[i], NULL, 10), &clock) == 0) total += now_ms(clock);
    }
    return total;
}

/* ---- requests ---- */

struct piece {
    size_t at, n;
};
struct requests {
    char *bytes;
    struct piece piece[REQUESTS_MAX];
    size_t n;
};

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) fail("cannot read", path);
    long size = ftell(f);
    char *bytes = malloc((size_t)size + 1);
    rewind(f);
    if (!bytes || fread(bytes, 1, (size_t)size, f) != (size_t)size) fail("cannot read", path);
    bytes[size] = 0;
    fclose(f);
    return bytes;
}

static void load(struct requests *r, const char *path)
{
    char name[4096];
    snprintf(name, sizeof name, "%s.idx", path);
    char *index = read_file(name);
    r->bytes = read_file(path);
    for (char *p = index, *end; *p && r->n < REQUESTS_MAX; p = end + (*end == '\n')) {
        struct piece *q = &r->piece[r->n++];
        q->at = strtoull(p, &end, 10);
        q->n = strtoull(end, &end, 10);
    }
    free(index);
    if (r->n == 0) fail("no request in", path);
}

/* ---- one answer ---- */

struct answer {
    char head[HEAD_MAX];
    size_t nhead, body; /* bytes of the head; of the body on the wire */
    long long left;     /* of a sized body; -1: chunked */
    int chunk;          /* enum below */
    size_t chunk_left;
    bool done;
};
enum { SIZE, SIZE_END, DATA, DATA_CR, DATA_LF, LAST };

/* Chunks: a size line, that many bytes, an empty line; after the chunk of size 0 an empty line (no trailers). */
static void take_chunks(struct answer *a, const char *p, size_t n)
{
    for (size_t i = 0; i < n && !a->done;) {
        char c = p[i];
        if (a->chunk == DATA) {
            size_t k = n - i < a->chunk_left ? n - i : a->chunk_left;
            i += k;
            a->chunk_left -= k;
            if (a->chunk_left == 0) a->chunk = DATA_CR;
            continue;
        }
        i++;
        if (a->chunk == DATA_CR || a->chunk == DATA_LF) {
            a->chunk = a->chunk == DATA_CR ? DATA_LF : SIZE;
        } else if (c == '\n') {
            if (a->chunk == LAST) a->done = true;
            a->chunk = a->chunk_left ? DATA : LAST;
        } else if (a->chunk == SIZE && c != '\r' && c != ';') {
            int digit = c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
            a->chunk_left = a->chunk_left * 16 + (size_t)digit;
        } else if (a->chunk == SIZE) {
            a->chunk = SIZE_END;
        }
    }
}

static void take_body(struct answer *a, const char *p, size_t n)
{
    a->body += n;
    if (a->left < 0) {
        take_chunks(a, p, n);
        return;
    }
    a->left -= (long long)n;
    a->done = a->left <= 0;
}

static void read_head(struct answer *a, size_t head)
{
    const char *line = a->head;
    if (strncmp(a->head, "HTTP/1.1 2", 10) != 0) fail("not answered well:", a->head);
    bool sized = strncmp(a->head, "HTTP/1.1 204", 12) == 0;
    for (; (line = strchr(line, '\n')) && (size_t)(line - a->head) < head; line++) {
        if (strncasecmp(line + 1, "content-length:", 15) == 0) a->left = strtoll(line + 16, NULL, 10), sized = true;
        if (strncasecmp(line + 1, "transfer-encoding: chunked", 26) == 0) a->left = -1, sized = true;
    }
    if (!sized) fail("an answer of no length:", a->head);
    a->done = a->left == 0;
}

/* The first bytes go into the head until its empty line; what is behind it is body. */
static void take(struct answer *a, const char *p, size_t n)
{
    if (a->nhead) {
        take_body(a, p, n);
        return;
    }
    if (n >= HEAD_MAX - 1) n = HEAD_MAX - 1;
    memcpy(a->head + a->body, p, n);
    a->body += n;
    a->head[a->body] = 0;
    char *end = strstr(a->head, "\r\n\r\n");
    if (!end) return;
    size_t got = a->body;
    a->nhead = (size_t)(end + 4 - a->head);
    a->body = 0;
    read_head(a, a->nhead);
    if (got > a->nhead) take_body(a, a->head + a->nhead, got - a->nhead);
}

/* ---- the connection ---- */

static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail("cannot connect", "to the server");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static size_t ask(int fd, const char *p, size_t n)
{
    static char in[READ_SIZE];
    static struct answer a;
    a = (struct answer){0};
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0) fail("the server", "does not take the request");
        p += k;
        n -= (size_t)k;
    }
    while (!a.done) {
        /* the beginning must fit the head's place */
        ssize_t k = recv(fd, in, a.nhead ? sizeof in : HEAD_MAX - 1 - a.body, 0);
        if (k <= 0) fail("the server", "has closed the connection");
        take(&a, in, (size_t)k);
    }
    return a.nhead + a.body;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    static struct requests r;
    if (argc < 5) fail("usage:", "PORT FILE REPEATS SECONDS PID…");
    size_t most = strtoull(argv[3], NULL, 10), n = 0, bytes = 0;
    double seconds = strtod(argv[4], NULL), *ms = calloc(most + REQUESTS_MAX, sizeof *ms);
    load(&r, argv[2]);
    int fd = dial((int)strtol(argv[1], NULL, 10));
    if (!ms) fail("out of", "memory");
    for (size_t i = 0; i < r.n; i++) ask(fd, r.bytes + r.piece[i].at, r.piece[i].n);
    double cpu = cpu_ms(argv + 5, argc - 5), start = now_ms(CLOCK_MONOTONIC), last = start;
    while (n < r.n || (n < most && last - start < seconds * 1e3)) {
        const struct piece *q = &r.piece[n % r.n];
        double from = now_ms(CLOCK_MONOTONIC);
        bytes += ask(fd, r.bytes + q->at, q->n);
        last = now_ms(CLOCK_MONOTONIC);
        ms[n++] = last - from;
    }
    cpu = cpu_ms(argv + 5, argc - 5) - cpu;
    qsort(ms, n, sizeof *ms, by_size);
    printf("{\"requests\":%zu,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"cpu_ms\":%.4f,\"bytes\":%zu}\n", n, ms[n / 2],
           ms[n * 99 / 100], cpu / (double)n, bytes / n);
    close(fd);
    free(ms);
    return 0;
}
