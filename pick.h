/* The forwards of a configuration that are meant, by their names and profiles.
 * Where those come from (the command line) is others' business.
 */
#pragma once
#include "config.h"
#include "problems.h"

/* Keeps in *c what is meant: see config_load().  Tells names and profiles that
 * no forward has, with the nearest and all that there are. */
void pick_apply(struct config *c, const struct config_pick *pick, struct problems *problems);
