/* ws_client_fuzz.c - what a server may say to a client's handshake, and addresses: judged without reading past their
 * ends; an answer is good only with the key that was asked for. */
#include <assert.h>
#include "io/ws_client.h"
#include "io/ws_int.h"

#define KEY "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    unsigned status = 0;
    char url[3000];
    struct ws_url u;
    struct str head = str_make((const char *)p, n), line;
    enum ws_answer a = ws_answer_check(head, KEY, "", &status, &line);
    assert(a != WS_ANSWER_GOOD || (status == 101 && str_has(head, STR(KEY))));
    assert(line.n <= n);
    if (n >= sizeof url || memchr(p, 0, n)) return 0;
    memcpy(url, p, n);
    url[n] = 0;
    if (ws_url_parse(url, &u, NULL)) return 0;
    assert(u.host[0] && u.port && u.target[0] == '/' && !strpbrk(u.target, "\r\n ") && !strpbrk(u.host, "\r\n /"));
    return 0;
}
