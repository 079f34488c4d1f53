
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A JSON writer: members come out in the order in which they are written,
 * any byte may go in, large binary values are encoded in place.
 */


#ifndef _MDM_JSON_WRITE_H_INCLUDED_
#define _MDM_JSON_WRITE_H_INCLUDED_


#include <jansson.h>

#include "mdm_base.h"


typedef struct {
    mdm_arena_t              *arena;
    u_char                   *start;
    u_char                   *pos;
    u_char                   *end;
    mdm_uint_t                failed;      /* out of memory; reported at the
                                              end */
} mdm_json_out_t;


void mdm_json_init(mdm_json_out_t *j, mdm_arena_t *arena, size_t size);

/* a member's name; what is written next is its value */
void mdm_json_key(mdm_json_out_t *j, const mdm_str_t *name);

/* "name" is NULL inside an array or after mdm_json_key() */

void mdm_json_open(mdm_json_out_t *j, const char *name, char bracket);
void mdm_json_close(mdm_json_out_t *j, char bracket);

void mdm_json_str(mdm_json_out_t *j, const char *name,
    const mdm_str_t *value);
void mdm_json_text(mdm_json_out_t *j, const char *name,
    const char *value);
void mdm_json_int(mdm_json_out_t *j, const char *name, int64_t value);
void mdm_json_bool(mdm_json_out_t *j, const char *name,
    mdm_uint_t value);
void mdm_json_hex(mdm_json_out_t *j, const char *name,
    const mdm_str_t *value);
void mdm_json_base64(mdm_json_out_t *j, const char *name,
    const mdm_str_t *value);

/* a value that is JSON already; an empty one is null */
void mdm_json_value(mdm_json_out_t *j, const char *name,
    const mdm_str_t *json);

/* a certificate (DER) as PEM */
void mdm_json_pem(mdm_json_out_t *j, const char *name,
    const mdm_str_t *der);

/* a string or a time (Unix seconds as digits, written as RFC 3339); one that
   is empty, or no number, is left out */
void mdm_json_opt_str(mdm_json_out_t *j, const char *name,
    const mdm_str_t *value);
void mdm_json_opt_time(mdm_json_out_t *j, const char *name,
    const mdm_str_t *value);

/* the key form of an id or UUID, written decoded */
void mdm_json_id(mdm_json_out_t *j, const char *name,
    const mdm_str_t *key);

/* What was written.  MDM_OK, or MDM_ERROR: memory was lacking at some point. */
mdm_int_t mdm_json_end(mdm_json_out_t *j, mdm_str_t *json);


/*
 * The text of a string in JSON, without quotes; bytes that are no UTF-8 stay
 * as they are.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_json_escape(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *src);

/*
 * Writes a value of jansson, compact and with its keys sorted: the same
 * content is the same text.  "flags" are more of those of json_dumpb(), or 0.
 * MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_json_dump(mdm_arena_t *arena, const json_t *value, size_t flags,
    mdm_str_t *dst);


#endif /* _MDM_JSON_WRITE_H_INCLUDED_ */
