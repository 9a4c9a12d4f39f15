/* A file's section .go.buildinfo: "\xff Go buildinf:", sizes and flags, then the version
 * of Go and the modules, each with its length before it. */
#include "gobuild.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "mem.h"

enum {
	SECTION_MAX = 256 * 1024, /* bytes looked at; a program with a thousand modules fits */
	SECTIONS_MAX = 256,       /* sections; Go makes some 25, and a C linker 20 more */
	ALIGN = 16,               /* of the header in its section */
	HEADER = 32,
	FLAGS_AT = 15, /* in the header */
	FLAG_INLINE = 2,
	FRAME = 16, /* bytes of no meaning before the modules, and behind them */
};

/* ---- the section ---- */

struct facts {
	struct span package, module; /* paths of the main ones; n is 0 where not told */
	bool client_go;              /* is among what it is built from */
};

/* Takes one string, behind its length (a varint), off *s. */
static bool take_string(struct span *s, struct span *string)
{
	uint64_t length = 0;
	unsigned shift = 0;
	uint8_t byte = 0x80;
	for (; byte & 0x80; shift += 7) {
		if (!s->n || shift > 28)
			return false;
		byte = (uint8_t)*s->p++;
		s->n--;
		length |= (uint64_t)(byte & 0x7f) << shift;
	}
	if (length > s->n)
		return false;
	*string = (struct span){.p = s->p, .n = (size_t)length};
	*s = (struct span){.p = s->p + length, .n = s->n - (size_t)length};
	return true;
}

/* Cuts *s at the first `mark`, and returns what is before it; all of *s if there is none. */
static struct span cut(struct span *s, char mark)
{
	const char *end = s->n ? memchr(s->p, mark, s->n) : NULL;
	struct span before = {.p = s->p, .n = end ? (size_t)(end - s->p) : s->n};
	size_t used = end ? before.n + 1 : before.n;
	*s = (struct span){.p = s->p + used, .n = s->n - used};
	return before;
}

static bool find_modules(const uint8_t *p, size_t n, struct span *modules)
{
	static const char Magic[] = "\xff Go buildinf:";
	struct span version;
	size_t at = 0;
	while (at + HEADER <= n && memcmp(p + at, Magic, sizeof Magic - 1) != 0)
		at += ALIGN;
	if (at + HEADER > n || !(p[at + FLAGS_AT] & FLAG_INLINE))
		return false;
	struct span rest = {.p = (const char *)p + at + HEADER, .n = n - at - HEADER};
	if (!take_string(&rest, &version) || !take_string(&rest, modules) ||
		modules->n <= (size_t)2 * FRAME || modules->p[modules->n - FRAME - 1] != '\n')
		return false;
	*modules = (struct span){.p = modules->p + FRAME, .n = modules->n - (size_t)2 * FRAME};
	return true;
}

/* Lines of fields, with tabs between them. */
static struct facts read_modules(struct span modules)
{
	struct facts f = {.package.p = "", .module.p = ""};
	while (modules.n) {
		struct span line = cut(&modules, '\n');
		struct span key = cut(&line, '\t'), path = cut(&line, '\t');
		if (span_is(key, "path"))
			f.package = path;
		else if (span_is(key, "mod"))
			f.module = path;
		else if (span_is(key, "dep"))
			f.client_go |= span_is(path, "k8s.io/client-go");
	}
	return f;
}

static struct span last_element(struct span path)
{
	size_t at = path.n;
	while (at && path.p[at - 1] != '/')
		at--;
	return (struct span){.p = path.p + at, .n = path.n - at};
}

static bool is_major_version(struct span element)
{
	if (element.n < 2 || element.p[0] != 'v')
		return false;
	for (size_t i = 1; i < element.n; i++)
		if (element.p[i] < '0' || element.p[i] > '9')
			return false;
	return true;
}

static bool is_called(struct span path, const char *name)
{
	struct span last = last_element(path);
	if (is_major_version(last) && last.n < path.n) {
		path.n -= last.n + 1;
		last = last_element(path);
	}
	return span_is(last, name);
}

/* Other programs are called porter, too, and use client-go: their main package is not
 * the module's root. */
bool gobuild_tells_nanoporter(const uint8_t *section, size_t n)
{
	struct span modules;
	if (!find_modules(section, n, &modules))
		return false;
	struct facts f = read_modules(modules);
	bool at_root = f.package.n == f.module.n && !memcmp(f.package.p, f.module.p, f.module.n);
	return is_called(f.package, "nanoporter") || is_called(f.module, "nanoporter") ||
	       (at_root && f.client_go && is_called(f.module, "porter"));
}

/* ---- the file ---- */

/* Where a number stands, and how wide it is. */
struct field {
	size_t at, width;
};

#define FIELD(type, member)                                                                        \
	{                                                                                          \
		offsetof(type, member), sizeof((type *)0)->member                                  \
	}
#define LAYOUT(bits)                                                                               \
	{                                                                                          \
		.header = sizeof(Elf##bits##_Ehdr), .entry = sizeof(Elf##bits##_Shdr),             \
		.table = FIELD(Elf##bits##_Ehdr, e_shoff),                                         \
		.entry_size = FIELD(Elf##bits##_Ehdr, e_shentsize),                                \
		.count = FIELD(Elf##bits##_Ehdr, e_shnum),                                         \
		.names = FIELD(Elf##bits##_Ehdr, e_shstrndx),                                      \
		.name = FIELD(Elf##bits##_Shdr, sh_name),                                          \
		.offset = FIELD(Elf##bits##_Shdr, sh_offset),                                      \
		.size = FIELD(Elf##bits##_Shdr, sh_size),                                          \
	}

static const struct layout {
	size_t header, entry;                         /* bytes */
	struct field table, entry_size, count, names; /* in the file's header */
	struct field name, offset, size;              /* in a section's */
} Layouts[] = {[ELFCLASS32] = LAYOUT(32), [ELFCLASS64] = LAYOUT(64)};

struct elf {
	int fd;
	const struct layout *layout;
	uint64_t count, names; /* of sections; which of them has their names */
	uint8_t table[SECTIONS_MAX * sizeof(Elf64_Shdr)];
};

static bool read_at(int fd, void *p, size_t n, uint64_t at)
{
	return at <= INT64_MAX && pread(fd, p, n, (off_t)at) == (ssize_t)n;
}

static uint64_t number(const uint8_t *p, struct field f)
{
	uint64_t v = 0;
	for (size_t i = f.width; i--;)
		v = v << 8 | p[f.at + i];
	return v;
}

static const uint8_t *section(const struct elf *elf, uint64_t i)
{
	return elf->table + i * elf->layout->entry;
}

static bool read_table(struct elf *elf)
{
	uint8_t head[sizeof(Elf64_Ehdr)];
	if (!read_at(elf->fd, head, EI_NIDENT, 0) || memcmp(head, ELFMAG, SELFMAG) != 0 ||
		head[EI_DATA] != ELFDATA2LSB || head[EI_CLASS] < ELFCLASS32 ||
		head[EI_CLASS] > ELFCLASS64)
		return false;
	const struct layout *l = elf->layout = &Layouts[head[EI_CLASS]];
	if (!read_at(elf->fd, head, l->header, 0))
		return false;
	elf->count = number(head, l->count);
	elf->names = number(head, l->names);
	return number(head, l->entry_size) == l->entry && elf->count <= SECTIONS_MAX &&
	       elf->names < elf->count &&
	       read_at(elf->fd, elf->table, elf->count * l->entry, number(head, l->table));
}

/* The header of the section of that name; NULL if there is none. */
static const uint8_t *find_section(const struct elf *elf)
{
	static const char Name[] = ".go.buildinfo";
	const struct layout *l = elf->layout;
	uint64_t names = number(section(elf, elf->names), l->offset);
	for (uint64_t i = 0; i < elf->count; i++) {
		char name[sizeof Name];
		if (read_at(elf->fd, name, sizeof name, names + number(section(elf, i), l->name)) &&
			!memcmp(name, Name, sizeof name))
			return section(elf, i);
	}
	return NULL;
}

static bool judge_section(const struct elf *elf, const uint8_t *head)
{
	uint64_t size = number(head, elf->layout->size);
	size_t n = size < SECTION_MAX ? (size_t)size : SECTION_MAX;
	uint8_t *p = mem_new(n);
	bool is = read_at(elf->fd, p, n, number(head, elf->layout->offset)) &&
		  gobuild_tells_nanoporter(p, n);
	free(p);
	return is;
}

bool gobuild_is_nanoporter(const char *path)
{
	struct elf elf = {.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)};
	const uint8_t *head = NULL;
	if (elf.fd < 0)
		return false;
	if (read_table(&elf))
		head = find_section(&elf);
	bool is = head && judge_section(&elf, head);
	close(elf.fd);
	return is;
}
