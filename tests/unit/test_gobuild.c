/* gobuild.c on sections and ELF files made here, whole and broken, and on programs of a
 * real Go where there is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gobuild.h"

enum { IMAGE = 1 << 20 };

static const char Nanoporter[] = "path\texample.com/nanoporter\n"
				 "mod\texample.com/nanoporter\t(devel)\t\n"
				 "dep\tk8s.io/client-go\tv0.29.0\th1:x=\n"
				 "build\tCGO_ENABLED=0\n";

/* ---- sections ---- */

static size_t put_string(uint8_t *p, const char *text, size_t n)
{
	size_t at = 0, left = n;
	for (; left > 0x7f; left >>= 7)
		p[at++] = (uint8_t)(left | 0x80);
	p[at++] = (uint8_t)left;
	memcpy(p + at, text, n);
	return at + n;
}

/* As Go's linker writes it. */
static size_t put_section(uint8_t *p, const char *modules)
{
	char framed[4096];
	int n = snprintf(framed, sizeof framed, "0123456789abcdef%s0123456789abcdef", modules);
	memset(p, 0, 32);
	memcpy(p, "\xff Go buildinf:\x08\x02", 16);
	size_t at = 32 + put_string(p + 32, "go1.22.1", 8);
	return at + put_string(p + at, framed, (size_t)n);
}

/* In a block of its own size, so that ASan sees a byte too many. */
static bool tells(const uint8_t *p, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1);
	assert_non_null(exact);
	memcpy(exact, p, n);
	bool is = gobuild_tells_nanoporter(exact, n);
	free(exact);
	return is;
}

static void knows_nanoporter_by_its_modules(void **state)
{
	static const struct {
		bool is;
		const char *modules;
	} Case[] = {
		{true, Nanoporter},
		{true, "path\tnanoporter\n"},
		{true, "path\tgithub.com/x/nanoporter\nmod\tgithub.com/x/nanoporter\t(devel)\n"},
		{true, "path\tgithub.com/x/nanoporter/v2\nmod\tgithub.com/x/nanoporter/"
		       "v2\tv2.0.0\n"},
		{true, "path\tx.org/nanoporter/cmd/run\nmod\tx.org/nanoporter\tv1.0.0\th1:x=\n"},
		{true, "path\tx.org/tools/cmd/nanoporter\nmod\tx.org/tools\tv1.0.0\n"},
		{true, "path\tporter\nmod\tporter\t(devel)\t\ndep\tk8s.io/client-go\tv0.29.0\n"},
		{true, "path\tx/porter/v3\nmod\tx/porter/v3\tv3.0.0\ndep\tk8s.io/client-go\tv0\n"},
		{true, "path\tporter\nmod\tporter\ndep\tk8s.io/client-go\tv0.1.0\n=>\t./c\t\n"},
		{false, "path\tporter\nmod\tporter\t(devel)\t\ndep\tk8s.io/api\tv0.29.0\n"},
		{false, "path\tporter\nmod\tporter\t(devel)\t\nbuild\tk8s.io/client-go\n"},
		{false, "path\tget.porter.sh/porter/cmd/porter\nmod\tget.porter.sh/porter\tv1.0.0\n"
			"dep\tk8s.io/client-go\tv0.29.0\n"},
		{false, "path\tx/nanoporter2\nmod\tx/nanoporter2\n"},
		{false, "path\tx/nanoporter/v\nmod\tx/ananoporter\n"},
		{false, "path\tx/nanoporter/v2x\nmod\tnanoporter/\n"},
		{false, "path\tx\nmod\tx\ndep\texample.com/nanoporter\tv1.0.0\n"},
		{false, "path\tx\nmod\tx\nbuild\tnanoporter\n"},
		{false, "path\tv2\nmod\t/v2\n"},
		{false, "path\nmod\ndep\n\n\t\n"},
		{false, "dep\tk8s.io/client-go\tv0.29.0\n"},
		{false, "path\tx/nanoporter"}, /* its last line does not end */
		{false, ""},
	};
	uint8_t section[4096];
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++)
		if (tells(section, put_section(section, Case[i].modules)) != Case[i].is)
			fail_msg("%s", Case[i].modules);
}

static void takes_no_part_of_a_section(void **state)
{
	uint8_t section[4096];
	size_t n = put_section(section, Nanoporter);
	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_false(tells(section, i));
	assert_true(tells(section, n));
	section[n] = 'x';
	assert_true(tells(section, n + 1));
}

static void finds_the_header_where_it_may_stand(void **state)
{
	uint8_t section[4096];
	(void)state;
	for (size_t at = 0; at < 64; at++) {
		memset(section, 0, sizeof section);
		size_t n = put_section(section + at, Nanoporter);
		assert_int_equal(tells(section, at + n), at % 16 == 0);
	}
}

static void refuses_what_go_has_not_made(void **state)
{
	static const struct {
		size_t at, n;
		const char *bytes;
	} Broken[] = {
		{15, 1, "\x00"}, /* pointers, as before Go 1.18 */
		{0, 1, "\xfe"},
		{32, 1, "\x7f"}, /* the version ends elsewhere */
		{32, 11, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}, /* no length */
		{32, 5, "\xff\xff\xff\xff\x0f"},                          /* 4 GiB */
		{41, 2, "\xff\x7f"},
		{41, 16,
			"\x1f"
			"0123456789abcd\n"}, /* less than a frame */
		{41, 2, "\x20\x00"},         /* only a frame */
		{41, 2, "\x00\x00"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Broken / sizeof *Broken; i++) {
		uint8_t section[4096];
		size_t n = put_section(section, Nanoporter);
		assert_true(tells(section, n));
		memcpy(section + Broken[i].at, Broken[i].bytes, Broken[i].n);
		if (tells(section, n))
			fail_msg("case %zu", i);
	}
}

/* ---- files ---- */

/* Where things stand in the image, and what can be broken there. */
struct image {
	uint8_t *p;
	size_t n;
	size_t table, section, names; /* offsets: of all headers; of two of them */
};

static void put(uint8_t *p, size_t at, size_t width, uint64_t value)
{
	for (size_t i = 0; i < width; i++)
		p[at + i] = (uint8_t)(value >> 8 * i);
}

#define PUT(p, type, member, value)                                                                \
	put((p), offsetof(type, member), sizeof((type *)0)->member, (value))

/* A header, three sections (none, the build information, the names), their headers. */
#define MAKE_IMAGE(bits)                                                                           \
	static struct image make_image_##bits(const char *name, size_t size)                       \
	{                                                                                          \
		struct image m = {.p = calloc(1, IMAGE)};                                          \
		assert_non_null(m.p);                                                              \
		size_t at = sizeof(Elf##bits##_Ehdr), n = put_section(m.p + at, Nanoporter);       \
		size_t names = at + (size > n ? size : n);                                         \
		memcpy(m.p + names + 1, name, strlen(name));                                       \
		m.table = names + 32;                                                              \
		m.section = m.table + sizeof(Elf##bits##_Shdr);                                    \
		m.names = m.section + sizeof(Elf##bits##_Shdr);                                    \
		m.n = m.names + sizeof(Elf##bits##_Shdr);                                          \
		memcpy(m.p, ELFMAG, SELFMAG);                                                      \
		m.p[EI_CLASS] = ELFCLASS##bits;                                                    \
		m.p[EI_DATA] = ELFDATA2LSB;                                                        \
		PUT(m.p, Elf##bits##_Ehdr, e_shoff, m.table);                                      \
		PUT(m.p, Elf##bits##_Ehdr, e_shentsize, sizeof(Elf##bits##_Shdr));                 \
		PUT(m.p, Elf##bits##_Ehdr, e_shnum, 3);                                            \
		PUT(m.p, Elf##bits##_Ehdr, e_shstrndx, 2);                                         \
		PUT(m.p + m.section, Elf##bits##_Shdr, sh_name, 1);                                \
		PUT(m.p + m.section, Elf##bits##_Shdr, sh_offset, at);                             \
		PUT(m.p + m.section, Elf##bits##_Shdr, sh_size, size ? size : n);                  \
		PUT(m.p + m.names, Elf##bits##_Shdr, sh_offset, names);                            \
		return m;                                                                          \
	}
MAKE_IMAGE(32)
MAKE_IMAGE(64)

static bool is_nanoporter(const uint8_t *p, size_t n)
{
	char path[64];
	int fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	bool is = gobuild_is_nanoporter(path);
	close(fd);
	return is;
}

static void check(struct image m, bool is)
{
	assert_int_equal(is_nanoporter(m.p, m.n), is);
	free(m.p);
}

static void reads_elf_files(void **state)
{
	(void)state;
	check(make_image_64(".go.buildinfo", 0), true);
	check(make_image_32(".go.buildinfo", 0), true);
	check(make_image_64(".go.buildinfo2", 0), false);
	check(make_image_64("go.buildinfo", 0), false);
	check(make_image_64("", 0), false);
}

static void takes_the_beginning_of_a_long_section(void **state)
{
	(void)state;
	check(make_image_64(".go.buildinfo", IMAGE / 2), true);
}

static void takes_no_part_of_a_file(void **state)
{
	struct image m = make_image_64(".go.buildinfo", 0);
	(void)state;
	for (size_t n = 0; n < m.n; n++)
		assert_false(is_nanoporter(m.p, n));
	check(m, true);
}

/* Wherever a byte is another, it comes to an end; ASan watches how. */
static void survives_any_byte(void **state)
{
	static const uint8_t Values[] = {0x00, 0x7f, 0x80, 0xff};
	struct image m = make_image_64(".go.buildinfo", 0);
	unsigned refused = 0;
	(void)state;
	for (size_t i = 0; i < 4 * m.n; i++) {
		uint8_t before = m.p[i / 4];
		m.p[i / 4] = Values[i % 4];
		refused += !is_nanoporter(m.p, m.n);
		m.p[i / 4] = before;
	}
	assert_true(refused > 0);
	check(m, true);
}

static void refuses_broken_headers(void **state)
{
	(void)state;
#define REFUSED(place, type, member, value)                                                        \
	do {                                                                                       \
		struct image m = make_image_64(".go.buildinfo", 0);                                \
		PUT(m.p + (place), type, member, (uint64_t)(value));                               \
		check(m, false);                                                                   \
	} while (0)
	REFUSED(0, Elf64_Ehdr, e_ident[EI_MAG0], 'e');
	REFUSED(0, Elf64_Ehdr, e_ident[EI_CLASS], ELFCLASSNONE);
	REFUSED(0, Elf64_Ehdr, e_ident[EI_CLASS], ELFCLASSNUM);
	REFUSED(0, Elf64_Ehdr, e_ident[EI_CLASS], ELFCLASS32);
	REFUSED(0, Elf64_Ehdr, e_ident[EI_DATA], ELFDATA2MSB);
	REFUSED(0, Elf64_Ehdr, e_shoff, -1);
	REFUSED(0, Elf64_Ehdr, e_shoff, INT64_MAX);
	REFUSED(0, Elf64_Ehdr, e_shoff, m.n);
	REFUSED(0, Elf64_Ehdr, e_shentsize, 0);
	REFUSED(0, Elf64_Ehdr, e_shentsize, 65);
	REFUSED(0, Elf64_Ehdr, e_shnum, 0);
	REFUSED(0, Elf64_Ehdr, e_shnum, 2);
	REFUSED(0, Elf64_Ehdr, e_shnum, 4);
	REFUSED(0, Elf64_Ehdr, e_shnum, -1);
	REFUSED(0, Elf64_Ehdr, e_shstrndx, 1);
	REFUSED(0, Elf64_Ehdr, e_shstrndx, 3);
	REFUSED(0, Elf64_Ehdr, e_shstrndx, -1);
	REFUSED(m.section, Elf64_Shdr, sh_name, 2);
	REFUSED(m.section, Elf64_Shdr, sh_name, -1);
	REFUSED(m.section, Elf64_Shdr, sh_offset, -1);
	REFUSED(m.section, Elf64_Shdr, sh_offset, m.n);
	REFUSED(m.section, Elf64_Shdr, sh_size, 0);
	REFUSED(m.section, Elf64_Shdr, sh_size, 40);
	REFUSED(m.section, Elf64_Shdr, sh_size, -1);
	REFUSED(m.names, Elf64_Shdr, sh_offset, -1);
	REFUSED(m.names, Elf64_Shdr, sh_offset, INT64_MAX);
}

/* A file of more sections than are looked at has none of those that Go makes. */
static void bounds_the_sections(void **state)
{
	(void)state;
	for (unsigned count = 256; count <= 257; count++) {
		struct image m = make_image_64(".go.buildinfo", 0);
		PUT(m.p, Elf64_Ehdr, e_shnum, count);
		m.n = m.table + count * sizeof(Elf64_Shdr);
		check(m, count == 256);
	}
}

static void opens_nothing_but_files(void **state)
{
	char folder[] = "/tmp/test_gobuild.XXXXXX", fifo[64];
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(fifo, sizeof fifo, "%s/fifo", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_false(gobuild_is_nanoporter(fifo));
	assert_false(gobuild_is_nanoporter(folder));
	assert_false(gobuild_is_nanoporter("/dev/zero"));
	assert_false(gobuild_is_nanoporter("/dev/null/none"));
	assert_false(gobuild_is_nanoporter("/proc/self/exe"));
	remove(fifo);
	remove(folder);
}

/* ---- a real Go ---- */

/* In $1: module $2 with a main package in folder $3, which uses client-go (one made
 * here).  The program is called none of what it is. */
static const char Build[] =
	"export GOPROXY=off GOFLAGS=-mod=mod GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 &&"
	"rm -rf $1/* && mkdir -p $1/client-go $1/$3 && cd $1 &&"
	"printf 'module k8s.io/client-go\\n' >client-go/go.mod &&"
	"printf 'package client\\n' >client-go/client.go &&"
	"go mod init $2 && go mod edit -require=k8s.io/client-go@v0.1.0"
	" -replace=k8s.io/client-go=./client-go &&"
	"printf 'package main\\nimport _ \"k8s.io/client-go\"\\nfunc main() {}\\n' >$3/main.go &&"
	"go build $4 -o program ./$3";

static bool builds(const char *folder, const char *module, const char *main, const char *flags)
{
	char command[2048];
	snprintf(command, sizeof command, "exec >/dev/null 2>&1; set -- %s %s %s '%s'; %s", folder,
		module, main, flags, Build);
	return !system(command);
}

static void knows_programs_of_a_real_go(void **state)
{
	static const struct {
		const char *module, *main, *flags;
		bool is;
	} Case[] = {
		{"example.com/nanoporter", ".", "", true},
		{"example.com/nanoporter/v2", "cmd/x", "-ldflags=-s", true},
		{"porter", ".", "-trimpath", true},
		{"porter", "cmd/porter", "", false},
		{"example.com/other", ".", "", false},
	};
	enum { CASES = sizeof Case / sizeof *Case };
	char folder[] = "/tmp/test_gobuild.XXXXXX", program[64], command[64];
	bool built[CASES], is[CASES];
	(void)state;
	if (system("go version >/dev/null 2>&1"))
		skip();
	assert_non_null(mkdtemp(folder));
	snprintf(program, sizeof program, "%s/program", folder);
	for (size_t i = 0; i < CASES; i++) {
		built[i] = builds(folder, Case[i].module, Case[i].main, Case[i].flags);
		is[i] = gobuild_is_nanoporter(program);
	}
	snprintf(command, sizeof command, "rm -rf %s", folder);
	assert_int_equal(system(command), 0);
	for (size_t i = 0; i < CASES; i++)
		if (!built[i] || is[i] != Case[i].is)
			fail_msg("case %zu: built %d, is nanoporter %d", i, built[i], is[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_nanoporter_by_its_modules),
		cmocka_unit_test(takes_no_part_of_a_section),
		cmocka_unit_test(finds_the_header_where_it_may_stand),
		cmocka_unit_test(refuses_what_go_has_not_made),
		cmocka_unit_test(reads_elf_files),
		cmocka_unit_test(takes_the_beginning_of_a_long_section),
		cmocka_unit_test(takes_no_part_of_a_file),
		cmocka_unit_test(survives_any_byte),
		cmocka_unit_test(refuses_broken_headers),
		cmocka_unit_test(bounds_the_sections),
		cmocka_unit_test(opens_nothing_but_files),
		cmocka_unit_test(knows_programs_of_a_real_go),
	};
	return cmocka_run_group_tests_name("gobuild", tests, NULL, NULL);
}
