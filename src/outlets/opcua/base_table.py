#!/usr/bin/env python3
"""Makes base_table.h: the nodes of namespace 0 that the server shows, out of the standard's node set.

    base_table.py Opc.Ua.NodeSet2.xml > base_table.h     (the file of OPC 10000-6 Annex F, from files.opcfoundation.org)

Chosen are all reference types; the data, variable and object types that instances here have, with what stands above
them; what the event types that alarms are declare; the Server object as far as it is served."""
import sys
import xml.etree.ElementTree as ET

NS = '{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}'
CLASSES = {'UAObject': 1, 'UAVariable': 2, 'UAMethod': 4, 'UAObjectType': 8, 'UAVariableType': 16,
           'UAReferenceType': 32, 'UADataType': 64}
OBJECT_TYPES = [58, 61, 76, 77, 2004, 2013, 2020, 2033, 2034, 11564, 2340, 2330, 2318, 11187, 11616, 11645,
                2041, 2052, 2130, 2132, 2133, 2738, 2782, 2787, 2788, 2789, 2881, 2915, 2955, 9341, 9906, 9482, 10060,
                10523, 10637, 10751, 3035]
DECLARING = [2041, 2782, 2881, 2915, 2955, 2340, 2368, 2365, 2373, 2376, 11238, 17570, 17497, 15318, 8995, 9002, 2755]
VARIABLE_TYPES = [62, 63, 68, 2138, 3051, 2365, 15318, 2368, 17497, 17570, 2372, 2373, 2376, 11238, 8995, 9002, 2755]
DATA_TYPES = list(range(1, 31)) + [256, 257, 288, 289, 290, 291, 292, 293, 294, 295, 296, 308, 312, 338, 344, 376, 388,
              7594, 851, 852, 853, 862, 884, 887, 890, 894, 897, 877, 8912, 12755, 12077, 12079, 12080, 12171, 12172,
              97, 98, 99, 100, 101, 102, 12877, 12878, 12879, 12880, 12881, 16307, 94, 95, 96, 931, 11737, 15406, 15487,
              20998, 307, 303, 302, 304, 315, 347, 348, 948, 11234, 11293, 11943, 11944]
INSTANCES = [84, 85, 86, 87, 88, 89, 90, 91, 3048, 2253, 2254, 2255, 2256, 2267, 2994, 2257, 2258, 2259, 2260, 2992,
             2993, 2261, 2262, 2263, 2264, 2265, 2266, 2268, 2269, 2271, 2272, 2735, 2736, 2737, 3704, 11702, 11703,
             12911, 11704, 2996, 2997, 11705, 12165, 12166, 11707, 12167, 12168, 11709, 11710, 11711, 11712, 11713,
             11714, 2274, 2294, 2295, 2296, 3709, 11715, 11492, 11493, 11494, 12885, 78, 80, 11508, 11510, 83,
             11192, 11193, 11242, 11273, 11274, 11196, 11197, 11198, 11199, 11200, 11281, 11282, 11283, 11502, 11275,
             11201, 24095, 24096, 24097, 24104, 3875, 3876, 12912, 12913,
             2341, 2342, 2343, 2344, 2346, 2347, 2348, 2349, 2350, 2352, 2357, 2358, 2359, 2360, 2362, 11285, 11304]
HIERARCHICAL = {'Organizes', 'HasComponent', 'HasProperty', 'HasSubtype', 'HasOrderedComponent', 'HasEncoding',
                'HasTrueSubState', 'HasEventSource', 'HasNotifier', 'i=38'}


def main():
    root = ET.parse(sys.argv[1]).getroot()
    aliases = {a.get('Alias'): a.text for a in root.find(NS + 'Aliases')}
    num = lambda t: int(aliases.get(t, t).replace('i=', ''))
    nodes = {}
    for el in root:
        tag = el.tag.replace(NS, '')
        if tag not in CLASSES:
            continue
        n = {'id': num(el.get('NodeId')), 'class': CLASSES[tag], 'name': el.get('BrowseName'), 'el': el,
             'parent': 0, 'ref': 0, 'type': 0, 'rule': 0, 'up': []}
        for r in el.find(NS + 'References') if el.find(NS + 'References') is not None else []:
            kind, target = num(r.get('ReferenceType')), num(r.text)
            if kind == 40:
                n['type'] = target
            elif kind == 37:
                n['rule'] = target
            elif r.get('IsForward') == 'false' and kind in (33, 34, 35, 38, 44, 45, 46, 47, 48, 49):
                n['up'].append((kind, target))
        nodes[n['id']] = n
    for n in nodes.values():  # a parent that names its children (folders of types and aggregates)
        for r in n['el'].find(NS + 'References') if n['el'].find(NS + 'References') is not None else []:
            kind, target = num(r.get('ReferenceType')), num(r.text)
            if r.get('IsForward') != 'false' and kind in (35, 38, 45, 46, 47) and target in nodes \
                    and (kind, n['id']) not in nodes[target]['up']:
                nodes[target]['up'].append((kind, n['id']))
    chosen = set(i for i in INSTANCES + OBJECT_TYPES + VARIABLE_TYPES + DATA_TYPES if i in nodes)
    chosen |= {i for i, n in nodes.items() if n['class'] == 32}
    types = set(OBJECT_TYPES) | set(VARIABLE_TYPES) | set(DATA_TYPES)
    grown = True
    while grown:  # what stands above a type; what declaring types declare; encodings of structures
        grown = False
        for i, n in nodes.items():
            for kind, p in n['up']:
                deep = p in DECLARING or (p in chosen and declared(nodes, p))
                if p in chosen and i not in chosen and ((deep and n['rule']) or (kind == 38 and n['name'] == 'Default Binary')
                        or (kind == 46 and p in chosen and n['name'] in ('EnumStrings', 'EnumValues', 'InputArguments', 'OutputArguments'))):
                    chosen.add(i)
                    grown = True
                if kind == 45 and i in chosen and p not in chosen and p in nodes:
                    chosen.add(p)
                    grown = True
        for i in list(chosen):
            d = nodes[i]['el'].get('DataType')
            for t in [num(d)] if d else []:
                if t not in chosen and t in nodes:
                    chosen.add(t)
                    grown = True
            if nodes[i]['type'] and nodes[i]['type'] not in chosen:
                chosen.add(nodes[i]['type'])
                grown = True
    extra = []
    print('/* Made by base_table.py: nodes of namespace 0 (OPC 10000-5, -8, -9, -13; numbers of OPC 10000-6 Annex A.3).')
    print(' *  B(id, class, parent, reference, type definition, data type, rank, flags, browse name, inverse name) */')
    for i in sorted(chosen):
        n = nodes[i]
        ups = [(k, p) for k, p in n['up'] if p in chosen]
        if n['class'] >= 8 and any(k == 45 for k, p in ups):
            first = next((k, p) for k, p in ups if k == 45)
        else:
            first = ups[0] if ups else (0, 0)
        for u in ups:
            if u != first and u[0] not in (45,):
                extra.append((u[1], u[0], i))
        el = n['el']
        inv = el.find(NS + 'InverseName')
        d = el.get('DataType')
        data = num(d) if d else (24 if n['class'] in (2, 16) else 0)
        flags = ('BASE_ABSTRACT | ' if el.get('IsAbstract') == 'true' else '') + \
                ('BASE_SYMMETRIC | ' if el.get('Symmetric') == 'true' else '') + \
                ('BASE_MANDATORY | ' if n['rule'] == 78 else '') + ('BASE_OPTIONAL | ' if n['rule'] == 80 else '')
        name = n['name'].split(':')[-1]
        if n['name'][0:2] in ('1:', '2:'):
            raise SystemExit('a name of another namespace')
        print('B(%d, %d, %d, %d, %d, %d, %s, %s, "%s", %s)' % (i, n['class'], first[1], first[0], n['type'], data,
              el.get('ValueRank', '-1'), flags.rstrip(' |') or '0', name, '"%s"' % inv.text if inv is not None else 'NULL'))
    print('#ifdef E /* further references */')
    for a, k, b in sorted(set(extra)):
        print('E(%d, %d, %d)' % (a, k, b))
    print('#endif')


def declared(nodes, i):
    """Is this an instance declaration below a declaring type?"""
    for _ in range(4):
        n = nodes[i]
        if not n['rule'] or not n['up']:
            return False
        i = n['up'][0][1]
        if i in DECLARING:
            return True
    return False


main()
