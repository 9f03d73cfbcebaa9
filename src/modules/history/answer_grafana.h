/* answer_grafana.h - answers of history as Grafana's JSON data sources want them: elements of an array, without its
 * brackets. */
#pragma once
#include "modules/history/answer.h"

extern const struct answer_ops answer_grafana;
/* After answer_new. table: rows of time, point, value instead of datapoints. first: no comma before it. */
void answer_grafana_form(struct answer *a, bool table, bool first);
