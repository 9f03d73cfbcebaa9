/* worker.h - the background thread: seals when a head is full, then merges. */
#pragma once
#include "tsdb/engine.h"
int worker_start(struct tsdb *db);
void worker_stop(struct tsdb *db); /* waits; no-op when none runs */
