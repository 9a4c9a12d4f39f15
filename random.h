/* Random bytes from the kernel's generator (getrandom(2)). */
#pragma once
#include <stddef.h>
#include <stdint.h>

void random_bytes(void *p, size_t n);

/* Drawn from a stock of bytes, so that one is cheap enough for every frame. */
uint32_t random_u32(void);
