/* What there is to know of one forward, as a page: what it is, how it does, and what has
 * happened to it.
 */
#pragma once
#include "page.h"
#include "rates.h"
#include "view.h"

/* Begins the page anew with it. */
void details_page(struct page *p, unsigned columns, const struct view_forward *v, struct rate rate);
