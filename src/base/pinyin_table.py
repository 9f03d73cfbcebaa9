#!/usr/bin/env python3
"""Makes pinyin_table.h from Unihan_Readings (Unicode Character Database; Debian: package unicode-data).
usage: python3 src/base/pinyin_table.py /usr/share/unicode/Unihan_Readings.txt.bz2 > src/base/pinyin_table.h
"""
import bz2, re, sys, unicodedata

FIRST, LAST, NONE = 0x4E00, 0x9FFF, '.'


def letter(reading):
    plain = unicodedata.normalize('NFD', reading)[0].lower()
    return plain if 'a' <= plain <= 'z' else None


def readings(path):
    main, others = {}, {}
    version = '?'
    for line in bz2.open(path, 'rt', encoding='utf-8'):
        if line.startswith('#'):
            found = re.search(r'Unicode Version (\S+)|Unicode version: (\S+)', line)
            version = (found.group(1) or found.group(2)) if found else version
            continue
        part = line.rstrip('\n').split('\t')
        if len(part) != 3 or part[1] not in ('kMandarin', 'kHanyuPinlu'):
            continue
        cp = int(part[0][2:], 16)
        if not FIRST <= cp <= LAST:
            continue
        letters = [letter(re.sub(r'\(\d+\)', '', r)) for r in part[2].split()]
        if part[1] == 'kMandarin':
            main[cp] = letters[0]
        others.setdefault(cp, []).extend(x for x in letters if x)
    return version, main, others


def main(path):
    version, first, all_ = readings(path)
    text = ''.join(first.get(cp) or NONE for cp in range(FIRST, LAST + 1))
    print('/* pinyin_table.h - made by pinyin_table.py; not edited by hand. Source: Unihan_Readings.txt of the Unicode')
    print(f' * Character Database {version} (kMandarin, kHanyuPinlu). Copyright (c) 1991-2022 Unicode, Inc.; used under')
    print(' * the Unicode License, https://www.unicode.org/license.txt. */')
    print('#pragma once')
    print('#include <stdint.h>\n')
    print('/* First letter of the customary reading of U+4E00 ... U+9FFF; "." where there is none. */')
    print('static const char pinyin_first[] =')
    for i in range(0, len(text), 110):
        print(f'    "{text[i:i + 110]}"' + (';' if i + 110 >= len(text) else ''))
    print('\n/* Other first letters of common characters that are read in several ways; in order. */')
    print('static const struct { uint16_t cp; char letters[4]; } pinyin_other[] = {')
    row = []
    for cp in range(FIRST, LAST + 1):
        more = sorted(set(all_.get(cp, [])) - {first.get(cp)})[:3]
        if more and cp in first:
            row.append('{0x%04x, "%s"}' % (cp, ''.join(more)))
    for i in range(0, len(row), 7):
        print('    ' + ', '.join(row[i:i + 7]) + ',')
    print('};')


main(sys.argv[1])
