/* The reader of pem.h: lines in, one block out.  What is in the blocks is for
 * pki.c.
 */
#include "pem.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "mem.h"

static const char Begin[] = "-----BEGIN ", End[] = "-----END ", Dashes[] = "-----";

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Takes a line off the text; its end and the blanks before that are dropped. */
static struct span take_line(struct span *text)
{
	const char *end = memchr(text->p, '\n', text->n);
	struct span line = {.p = text->p, .n = end ? (size_t)(end - text->p) : text->n};
	size_t used = line.n + (end ? 1 : 0);
	*text = (struct span){.p = text->p + used, .n = text->n - used};
	while (line.n && is_blank(line.p[line.n - 1]))
		line.n--;
	return line;
}

static bool begins(struct span line, const char *with)
{
	size_t n = strlen(with);
	return line.n >= n && !memcmp(line.p, with, n);
}

static struct span without_indent(struct span line)
{
	while (line.n && is_blank(*line.p)) {
		line.p++;
		line.n--;
	}
	return line;
}

/* The label of a BEGIN or END line; false if the line is neither of that sort. */
static bool read_label(struct span line, const char *banner, struct span *label)
{
	size_t before = strlen(banner), after = sizeof Dashes - 1;
	if (!begins(line, banner) || line.n < before + after ||
		memcmp(line.p + line.n - after, Dashes, after))
		return false;
	*label = (struct span){.p = line.p + before, .n = line.n - before - after};
	return true;
}

/* A line inside a block: a header (RFC 1421, as OpenSSL still writes them for
 * encrypted keys) or Base64, of which Go takes the blanks out as well. */
static void read_inside(struct pem_block *block, struct buf *base64, struct span line)
{
	if (memchr(line.p, ':', line.n)) {
		block->encrypted |= begins(line, "Proc-Type:") && line.n >= 9 &&
				    !memcmp(line.p + line.n - 9, "ENCRYPTED", 9);
		return;
	}
	for (size_t i = 0; i < line.n; i++)
		if (!is_blank(line.p[i]))
			buf_put(base64, line.p + i, 1);
}

/* Lines up to the END line that fits, which is taken too; false if there is none. */
static bool read_body(struct span *text, struct pem_block *block, struct buf *base64)
{
	struct span label, rest = *text;
	while (rest.n) {
		struct span line = take_line(&rest);
		if (begins(line, Begin))
			return false;
		*text = rest;
		if (!begins(line, Dashes))
			read_inside(block, base64, line);
		else
			return read_label(line, End, &label) && label.n == block->label.n &&
			       !memcmp(label.p, block->label.p, label.n);
	}
	return false;
}

static bool decode(struct pem_block *block, const struct buf *base64)
{
	block->der = mem_grow(NULL, buf_len(base64) / 4 * 3);
	return base64_decode(
		block->der, &block->len, (const char *)buf_data(base64), buf_len(base64));
}

static bool read_block(struct span *text, struct pem_block *block, struct err *e)
{
	struct buf base64 = {0};
	int n = block->label.n < 40 ? (int)block->label.n : 40;
	const char *label = block->label.p;
	bool good = read_body(text, block, &base64);
	if (!good)
		err_set(e, ERR_TLS, 0, "%.*s is cut: it has no line -----END %.*s-----", n, label,
			n, label);
	else if (!decode(block, &base64))
		good = err_set(
			e, ERR_TLS, 0, "%.*s is damaged: what it holds is not Base64", n, label);
	buf_free_wiped(&base64);
	return good;
}

enum pem_result pem_next(struct span *text, struct pem_block *block, struct err *e)
{
	*block = (struct pem_block){0};
	while (text->n) {
		struct span line = take_line(text);
		if (read_label(line, Begin, &block->label)) {
			if (read_block(text, block, e))
				return PEM_BLOCK;
			pem_free(block);
			return PEM_BAD;
		}
		if (begins(without_indent(line), Begin)) {
			err_set(e, ERR_TLS, 0,
				"PEM is indented or damaged: -----BEGIN ...----- has to be a line");
			return PEM_BAD;
		}
	}
	return PEM_END;
}

void pem_free(struct pem_block *block)
{
	if (block->der)
		mem_wipe(block->der, block->len);
	free(block->der);
	*block = (struct pem_block){0};
}
