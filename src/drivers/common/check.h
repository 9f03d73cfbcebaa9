/* check.h - what many drivers and outlets check of their options before these are stored: hosts, addresses, lists of
 * addresses, topics. Texts that are not given are right here (`required` is the table's). ERR_INVALID names the option in
 * e->where, what is wrong, and what would be right. Pure, any thread. */
#pragma once
#include "base/str.h"
#include "bornite/driver.h"
#include "io/ip_list.h"

/* `rc` of a check of that option: its name goes into e->where. Returns rc. */
int check_at(struct error *e, const char *name, int rc);
/* A name or an IP address to connect to, without scheme, port or path. */
MUST_CHECK int check_host_text(struct str host, struct error *e);
MUST_CHECK int check_host(const struct options *o, const char *name, struct error *e);
/* An IP address of this machine to listen on. */
MUST_CHECK int check_bind(const struct options *o, const char *name, struct error *e);
/* An IP address of a multicast group. */
MUST_CHECK int check_group(const struct options *o, const char *name, struct error *e);
/* Addresses and networks; ret may be NULL. */
MUST_CHECK int check_ip_list(const struct options *o, const char *name, struct ip_list *ret, struct error *e);
/* No line breaks and no control characters. */
MUST_CHECK int check_line(const struct options *o, const char *name, struct error *e);
/* "+08:00", "-03:30", "UTC", "Z": minutes east of UTC; ret may be NULL. */
MUST_CHECK int check_utc_offset(const struct options *o, const char *name, const char *def, int *ret_minutes, struct error *e);
/* A check of a row of options, for tables of them. */
typedef int option_check(const struct options *o, const char *name, struct error *e);
struct option_rule {
    option_check *check;
    const char *name;
};
/* The first that is wrong; the table ends with check NULL. */
MUST_CHECK int check_rules(const struct option_rule *rules, const struct options *o, struct error *e);
