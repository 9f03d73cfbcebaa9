/* limits.h - every maximum of the product, in one place, so that they can be weighed against each other. */
#pragma once
#define LIMIT_CODE 128            /* bytes of a resource's code */
#define LIMIT_NAME 256            /* bytes of a name */
#define LIMIT_LABELS 32           /* labels a resource */
#define LIMIT_SPEC (256 * 1024)   /* bytes of a spec as JSON */
#define LIMIT_PAGE 1000           /* rows a page */
#define LIMIT_BODY_JSON (4 << 20)
#define LIMIT_BODY_IMPORT (128 << 20)
#define LIMIT_POINTS 2000000      /* points a node */
#define LIMIT_REQUEST_ARENA (64 << 20)
#define LIMIT_STREAM_POINTS 20000 /* points one live stream may follow */
#define LIMIT_QUERY_POINTS 64     /* pens in one history query */
#define LIMIT_QUERY_POINTS_POST 1000 /* the same, asked by POST */
#define LIMIT_QUERY_SAMPLES 1000000 /* samples one history answer may hold */
