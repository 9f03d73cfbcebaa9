/* log.h - structured logging to stderr: one line a record, logfmt (ts level component msg key=value …).
 * Owners log, libraries do not. Levels can be switched per component while running. Rate-limited: the
 * same component and message at most 10 times a second, then one line tells how many were held back.
 * The last 2,000 records are kept in memory for the UI. Any thread. */
#pragma once
#include <stdbool.h>
#include "base/buf.h"
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
/* kv is a printf format of the key=value part ("channel=%s err=%s") or NULL. */
__attribute__((format(printf, 4, 5))) void log_write(enum log_level level, const char *component, const char *msg, const char *kv, ...);
#define log_debug(component, msg, ...) log_write(LOG_DEBUG, component, msg, __VA_ARGS__)
#define log_info(component, msg, ...) log_write(LOG_INFO, component, msg, __VA_ARGS__)
#define log_warn(component, msg, ...) log_write(LOG_WARN, component, msg, __VA_ARGS__)
#define log_error(component, msg, ...) log_write(LOG_ERROR, component, msg, __VA_ARGS__)
void log_level_set(const char *component, enum log_level level); /* NULL: all */
bool log_level_parse(const char *name, enum log_level *ret);
void log_tail(size_t max_lines, struct buf *out_json);           /* array of {ts,level,component,msg,kv}, newest last */
