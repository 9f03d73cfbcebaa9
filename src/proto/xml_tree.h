/* xml_tree.h - an XML document as a tree of JSON values, so that what reads JSON by paths reads XML, too; and paths of XML
 * (a small part of XPath) as JSONPath into such a tree. Pure; any thread.
 *
 *   <r><s id="a">1.5</s><s id="b">2</s></r>
 *   {"r":[{"#text":"","s":[{"@id":"a","#text":"1.5"},{"@id":"b","#text":"2"}]}]}
 * An element is an object: "@name" for each attribute, "#text" with its own text (trimmed), and an array for each name of
 * its children. Prefixes of names are left out (soap:Body is Body). Declarations of types (DOCTYPE) are refused, so no
 * entity grows; encodings are UTF-8, UTF-16, ISO-8859-1 and ASCII.
 *
 *   path      step/step/…, "/" in front changes nothing, "//" before a step looks at all depths, "." is the node itself;
 *             at most 15 steps
 *   step      name, * (any), name[2] (from 1), name[@id='a'], name[child='text'], @attribute (the last)
 * What ends in an element means its text; an XML_ROWS path means the elements themselves. */
#pragma once
#include "base/arena.h"
#include "base/json.h"

#define XML_DEPTH_MAX 64
/* ERR_INVALID names the line and what is wrong; ERR_TOO_LARGE (arena, depth). The tree lives in the arena. */
MUST_CHECK int xml_tree(struct str text, struct arena *a, struct json **ret, struct error *e);

enum xml_path_kind { XML_VALUE, XML_ROWS };
/* The path as JSONPath, for json_path_compile. ERR_INVALID names the step. */
MUST_CHECK int xml_path(struct str path, enum xml_path_kind kind, struct arena *a, struct str *ret, struct error *e);

struct xml_leaf {
    struct str path;
    const struct json *value; /* JSON_STRING */
};
/* Attributes, and texts of elements that have one or have nothing else, below a node of a tree; at most max. */
size_t xml_leaves(const struct json *node, struct arena *a, struct xml_leaf *ret, size_t max);
