/* hj212_options.h - what both ends of HJ 212 check of their options. Pure. */
#pragma once
#include "bornite/driver.h"

/* MN, PW and the like: printable, and none of the characters that HJ 212 puts between its fields. */
int hj212_word_check(const struct options *o, const char *name, struct error *e);
