/* Which way leads to a server: straight, through a proxy, or by a program.
 *
 * Reads settings and the environment; connects to nothing.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "mem.h"

enum proxy_kind {
	PROXY_NONE,
	PROXY_HTTP,  /* asked by CONNECT */
	PROXY_HTTPS, /* the same, inside TLS */
	PROXY_SOCKS5,
	PROXY_PROGRAM, /* its stdin and stdout are the connection */
	PROXY_KINDS,
};

/* Starts as {0}: straight. */
struct proxy {
	enum proxy_kind kind;
	char *name; /* for messages: "proxy proxy.corp:3128", "ssh bastion" */
	char *host; /* DNS name or IP literal without brackets */
	uint16_t port;
	char *user; /* NULL: none */
	struct secret password;
	char **argv; /* of a program; ends with NULL */
};

struct proxy proxy_copy(const struct proxy *p); /* to be freed, too */
void proxy_free(struct proxy *p);               /* back to {0} */

/* The server that is to be reached. */
struct proxy_server {
	const char *host; /* DNS name or IP literal without brackets */
	uint16_t port;
	bool tls;
};

/* By `url`, a kubeconfig's proxy-url, whatever the server; or, where that is NULL, by
 * the environment: HTTPS_PROXY (for servers without TLS: HTTP_PROXY) and NO_PROXY, or
 * the same in lower case, as golang.org/x/net/http/httpproxy reads them.  In the
 * environment "http://" may be left out, and what is no URL at all is passed over.
 *
 * A URL is http, https, socks5 or socks5h (the same: names are the proxy's to look
 * up), with a user and password, percent-encoded, perhaps.  Into *p, which is {0}.
 * False with *e set, which never has the URL in it: that may hold a password. */
bool proxy_choose(struct proxy *p, const char *url, const struct proxy_server *to, struct err *e);

/* By ssh(1) to `target`: "bastion", "user@bastion" or "ssh://user@bastion:port".  How it
 * logs in is for the user's ssh_config to say; it never asks anything. */
void proxy_by_ssh(struct proxy *p, const char *target, const struct proxy_server *to);

/* By a command of one's own (words.h), whose words may have %h and %p in them for the
 * server's host and port, and %% for a percent sign.  False with *e set where the host
 * could be taken for an option. */
bool proxy_by_command(
	struct proxy *p, char *const *words, const struct proxy_server *to, struct err *e);

/* Whether a text will do as a `target`: no option, no blanks. */
bool proxy_is_ssh_target(const char *text);
