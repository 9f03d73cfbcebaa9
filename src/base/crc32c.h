/* crc32c.h - CRC-32C (Castagnoli, RFC 3720 B.4). Hardware instruction where the CPU has it, else a
 * table; both give the same. crc32c(0, "123456789", 9) = 0xE3069283. */
#pragma once
#include <stddef.h>
#include <stdint.h>
uint32_t crc32c(uint32_t crc, const void *p, size_t n); /* chain: crc of the bytes before, 0 at first */
