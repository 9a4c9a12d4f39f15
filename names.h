/* Names as Kubernetes takes them, by its own rules: what is none of them must
 * never get into a request.
 */
#pragma once
#include <stdbool.h>

enum {
	NAMES_LABEL_MAX = 63,
	NAMES_SUBDOMAIN_MAX = 253,
	NAMES_PORT_MAX = 15,
};

/* RFC 1123: lower-case letters, digits and '-', which neither begins nor ends it. */
bool names_is_label(const char *text);

/* Such labels, with a '.' between two of them. */
bool names_is_subdomain(const char *text);

/* A port's name.  A container's (RFC 6335): as a label, 15 bytes at most, with a
 * letter and without "--".  A service's may be any label with a letter. */
bool names_is_port(const char *text);
bool names_is_service_port(const char *text);

/* What kubectl's -l takes: requirements with commas between them, each of them
 * "KEY", "!KEY", "KEY=VALUE" ("==", "!=", "<", ">"), "KEY in (VALUE, VALUE)" or
 * "KEY notin (...)".  There is at least one. */
bool names_is_selector(const char *text);
