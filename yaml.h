/* YAML 1.2 as kubeconfigs use it: block and flow style, plain, quoted and block
 * scalars, comments, CRLF, a byte order mark, and every JSON text.
 *
 * Refused by name, never guessed: anchors and aliases, tags, directives,
 * several documents, complex and merge keys, tabs that indent, a key that
 * occurs twice, VALUE_DEPTH_MAX levels, and outside of double quotes characters
 * that end a line in YAML 1.1 only.  As in libyaml, which kubectl uses, lines of
 * quoted text and of [] and {} may be indented as little as they like.  Plain
 * scalars are typed by the core schema (10.3.2), and keep their text.
 */
#pragma once
#include "err.h"
#include "value.h"

/* As json_parse().  An empty text is null. */
bool yaml_parse(struct document *doc, const char *p, size_t n, struct err *e);
