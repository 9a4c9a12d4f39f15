/* Names as Kubernetes takes them, by its own rules: what is none of them must
 * never get into a request.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

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

/* What a port's number must be, in words. */
#define NAMES_PORT_NUMBER "a number from 1 to 65535"

/* Decimal digits up to 65535; -1: it is none. */
int32_t names_number(const char *text);

/* A remote port: its number, or 0 in *number where it is a name.  False if it is
 * neither. */
bool names_read_port(const char *text, bool of_service, uint16_t *number);

/* What kubectl's -l takes: requirements with commas between them, each of them
 * "KEY", "!KEY", "KEY=VALUE" ("==", "!=", "<", ">"), "KEY in (VALUE, VALUE)" or
 * "KEY notin (...)".  There is at least one. */
bool names_is_selector(const char *text);
