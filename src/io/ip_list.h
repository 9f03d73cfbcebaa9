/* ip_list.h - a list of addresses and networks: who may connect. Pure; any thread.
 * Text: "10.0.0.7, 10.1.0.0/16, fd00::/8", apart by commas, blanks or line ends. IPv4 and its form in IPv6 are the
 * same. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define IP_LIST_MAX 64
struct ip_list {
    unsigned n;
    struct {
        uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
        uint8_t bits;        /* of 128 that count */
    } nets[IP_LIST_MAX];
};
/* NULL and "": empty. ERR_INVALID names the part that is none; e->where is "". */
MUST_CHECK int ip_list_parse(const char *text, struct ip_list *ret, struct error *e);
/* false for what is no address. An empty list has nobody. */
bool ip_list_has(const struct ip_list *l, const char *address);
