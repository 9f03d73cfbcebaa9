/* demo.h - the demo copper group as resources: channels, devices and points that collect what
 * `bornite sim` plays. Only into a node that has no channels yet. */
#pragma once
#include "core/node.h"
MUST_CHECK int demo_set_up(struct node *n, const char *host, long port, struct error *e);
