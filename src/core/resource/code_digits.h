/* code_digits.h - check characters at the end of codes.
 *
 *   luhn      ISO/IEC 7812-1 annex B: one digit over the decimal digits of the code
 *   mod11_2   ISO/IEC 7064 MOD 11-2 (pure): one of 0-9 X over its decimal digits
 *   mod97_10  ISO/IEC 7064 MOD 97-10 (pure): two digits over its digits and letters, A = 10 … Z = 35 as in
 *             ISO 17442 (LEI) and ISO 13616 (IBAN), small letters as capital ones
 * Other characters of a code (blanks, dashes, in the first two letters too) do not count. Pure. */
#pragma once
#include "base/str.h"

enum check_digits { CHECK_DIGITS_NONE, CHECK_DIGITS_LUHN, CHECK_DIGITS_MOD11_2, CHECK_DIGITS_MOD97_10 };
enum check_digits check_digits_of(struct str name);   /* unknown: none */
size_t check_digits_len(enum check_digits d);         /* 0, 1, 1, 2 */
void check_digits(enum check_digits d, struct str code, char out[3]);
