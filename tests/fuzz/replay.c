/* Feeds every file of a corpus to a fuzzer's entry, once: what libFuzzer's
 * -runs=0 does, for any compiler.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* The input has a block of its own size, so that ASan sees a byte too many. */
static int replay(const char *folder, const char *name)
{
	static uint8_t all[1 << 20];
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	if (!f)
		return perror(path), 0;
	size_t n = fread(all, 1, sizeof all, f);
	fclose(f);
	uint8_t *p = malloc(n ? n : 1);
	if (!p)
		return perror("malloc"), 0;
	for (size_t i = 0; i < n; i++)
		p[i] = all[i];
	printf("%s, %zu bytes\n", path, n);
	fflush(stdout);
	LLVMFuzzerTestOneInput(p, n);
	free(p);
	return 1;
}

int main(int argc, char **argv)
{
	int inputs = 0;
	DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
	if (!d)
		return fprintf(stderr, "usage: %s CORPUS\n", argv[0]), 2;
	for (const struct dirent *entry; (entry = readdir(d));)
		if (entry->d_name[0] != '.')
			inputs += replay(argv[1], entry->d_name);
	closedir(d);
	printf("%d passed, %d failed\n", inputs > 0, inputs == 0);
	return inputs == 0;
}
