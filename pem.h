/* PEM texts (RFC 7468): blocks of Base64 between BEGIN and END lines.
 *
 * What stands between the blocks is passed over, as are blanks at the ends of
 * lines, CRs, and a missing end of the last line.  Knows no keys.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

struct pem_block {
	struct span label; /* "CERTIFICATE"; into the text */
	bool encrypted;    /* OpenSSL's old way: "Proc-Type: 4,ENCRYPTED" */
	uint8_t *der;      /* what was Base64 */
	size_t len;
};

enum pem_result {
	PEM_BLOCK,
	PEM_END, /* there is no other block */
	PEM_BAD, /* cut before its END line, indented, not Base64: *e says so */
};

/* Takes the next block off the text.  A block is to be freed by pem_free();
 * without PEM_BLOCK there is none.  After PEM_BAD one may go on with the rest. */
enum pem_result pem_next(struct span *text, struct pem_block *block, struct err *e);

/* Frees, after zeroing (it may be a key): back to {0}. */
void pem_free(struct pem_block *block);
