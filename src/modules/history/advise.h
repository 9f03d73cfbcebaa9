/* advise.h - the route POST /history:advise: what filters would have saved on stored samples (advice.h). */
#pragma once
#include "core/node.h"

int history_advise_routes(struct node *n, void *module, struct error *e); /* from init */
