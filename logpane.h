/* The last lines of the log as a page, the newest at its end.
 */
#pragma once
#include "page.h"

/* Begins the page anew with them.  At its end it stays there as lines come, or else where
 * it is. */
void logpane_page(struct page *p, unsigned columns);
