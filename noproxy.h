/* NO_PROXY: the servers that are asked without a proxy.
 *
 * The rules are those of golang.org/x/net/http/httpproxy, which kubectl goes by; but
 * a name of other letters than ASCII's matches as it is written only.  Knows nothing
 * of proxies.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Whether `list` (NULL: none) has this server in it.  `host` is a DNS name or an IP
 * literal without brackets.  Between the list's commas, whatever the case:
 *
 *	*                    every server
 *	10.0.0.0/8, fd00::/8 addresses of these
 *	10.1.2.3, ::1        this address
 *	a.com, *.a.com, .a.com    names below a.com; the first one is a.com, too
 *
 * All but networks may have ":port" behind ("[::1]:443"), and are for it alone then.
 * What is none of these is passed over.  "localhost" and loopback addresses are in
 * every list. */
bool noproxy_has(const char *list, const char *host, uint16_t port);
