/* history.h - inside of the module history: its one object, made by init, shared by its files. */
#pragma once
#include "core/module.h"
#include "core/node.h"

struct history_ctx;
struct node *history_node(void *module);
int history_init(struct node *n, void **ret_ctx, struct error *e);
int history_start_module(void *ctx, struct error *e);
void history_stop_module(void *ctx);
void history_fini(void *ctx);
extern const struct module history_module;
