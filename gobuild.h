/* What `go build` writes into a program about its own making, and whether that program
 * is the Go nanoporter, whatever its file is called.
 *
 * Sources: Go's debug/buildinfo and runtime/debug (modinfo); the ELF specification.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the file (which may be such as /proc/1234/exe) is the Go nanoporter.  It is
 * where the path of its main package or of its main module ends with the element
 * "nanoporter" (before a major version: "/v2"), or where it is the root package of a
 * module that ends with "porter" and uses k8s.io/client-go.
 *
 * Looks at little-endian ELF files, of 64 and 32 bits, with a section .go.buildinfo as
 * Go has made it since 1.18; of any other, and what cannot be read, it says false.  Reads
 * some dozen pieces from the disk, 256 KiB at most; does not wait for a FIFO. */
bool gobuild_is_nanoporter(const char *path);

/* The same of the contents of that section. */
bool gobuild_tells_nanoporter(const uint8_t *section, size_t n);
