/* tags_int.h - between tags.c (expansion) and wire.c (representation on the wire); nobody else. */
#pragma once
#include "sim/tags.h"

struct sim_layout { /* columns of equipment.csv that say how the class stands on the wire */
    struct str table, order, number, boolean;
};
/* Choose data type and address for every tag of one piece of equipment, behind what `d` has already. */
void sim_layout_equip(struct sim_plan *p, struct sim_device *d, const struct sim_equip *q, const struct sim_layout *l,
                      const struct str *wires);
double sim_resolution(const struct sim_tag *t);
