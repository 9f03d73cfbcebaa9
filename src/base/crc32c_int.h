/* crc32c_int.h - the two ways of crc32c.c, for its test. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
uint32_t crc32c_by_table(uint32_t crc, const void *p, size_t n);
uint32_t crc32c_by_cpu(uint32_t crc, const void *p, size_t n); /* only when crc32c_has_cpu() */
bool crc32c_has_cpu(void);
