
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * JSON by jansson, as all of the core reads it: what came from outside is
 * looked at before the parser sees it, a lack of memory is told from a bad
 * text, and values live as long as the arena.  mdm_json_write.h writes it.
 */


#ifndef _MDM_JSON_H_INCLUDED_
#define _MDM_JSON_H_INCLUDED_


#include <jansson.h>

#include "mdm_base.h"


/* as deep as jansson goes by itself is too deep */
#define MDM_JSON_DEPTH        512

#define MDM_JSON_EMPTY        "the body is empty, JSON is expected"


typedef enum {
    MDM_JSON_OK = 0,
    MDM_JSON_DEEP,               /* nested too deep */
    MDM_JSON_MANY                /* too many values, or they cost too much */
} mdm_json_scan_e;


/*
 * A linear look at a text, which need not be JSON: is it within the limits,
 * and would reading it take at most 16 times its size and a megabyte?
 */
mdm_json_scan_e mdm_json_scan(const mdm_str_t *json,
    const mdm_limits_t *limits);

/* 1 if a text begins as an object does, white space before it aside */
mdm_uint_t mdm_json_looks(const mdm_str_t *json);

/*
 * Reads a text that has been looked at by mdm_json_load() once, or comes from
 * Redis; within those 16 times, too.  "flags" are those of json_loadb().
 * *root is the arena's: nobody calls json_decref() on it.  MDM_OK;
 * MDM_DECLINED: it is not JSON, *error says where and why; MDM_ERROR: no
 * memory.
 */
mdm_int_t mdm_json_read(mdm_arena_t *arena, const mdm_str_t *json,
    size_t flags, json_t **root, json_error_t *error);

/*
 * The same for a text from outside: within the limits, no key twice, and
 * *error is a text that begins with "JSON: ", or MDM_JSON_EMPTY.
 */
mdm_int_t mdm_json_load(mdm_arena_t *arena, const mdm_str_t *json,
    const mdm_limits_t *limits, json_t **root, mdm_str_t *error);


#endif /* _MDM_JSON_H_INCLUDED_ */
