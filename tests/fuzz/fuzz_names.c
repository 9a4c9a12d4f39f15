/* What is a name by a narrow rule is one by the wider ones, and no rule lets
 * through what has a meaning in a request.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "names.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = mem_dup_n(p, n);
	bool label = names_is_label(text), service_port = names_is_service_port(text);
	assert(!names_is_port(text) || (service_port && strlen(text) <= NAMES_PORT_MAX));
	assert(!service_port || label);
	assert(!label || (names_is_subdomain(text) && strlen(text) <= NAMES_LABEL_MAX));
	assert(!names_is_subdomain(text) || !strpbrk(text, "/?#%& \t\r\n"));
	assert(!names_is_selector(text) || !strpbrk(text, "?#%&;\r\n\"'"));
	assert(!label || strlen(text) > NAMES_LABEL_MAX || names_is_selector(text));
	free(text);
	return 0;
}
