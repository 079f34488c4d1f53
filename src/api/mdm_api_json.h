
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A JSON writer: members come out in the order in which they are written,
 * any byte may go in, large binary values are encoded in place.
 */


#ifndef _MDM_API_JSON_H_INCLUDED_
#define _MDM_API_JSON_H_INCLUDED_


#include "mdm_exchange.h"


typedef struct {
    mdm_arena_t              *arena;
    u_char                   *start;
    u_char                   *pos;
    u_char                   *end;
    mdm_uint_t                failed;      /* out of memory, told at last */
} mdm_api_json_t;


void mdm_api_json_init(mdm_api_json_t *j, mdm_arena_t *arena, size_t size);

/* a member's name; what is written next is its value */
void mdm_api_json_key(mdm_api_json_t *j, const mdm_str_t *name);

/* "name" is NULL inside an array or after mdm_api_json_key() */

void mdm_api_json_open(mdm_api_json_t *j, const char *name, char bracket);
void mdm_api_json_close(mdm_api_json_t *j, char bracket);

void mdm_api_json_str(mdm_api_json_t *j, const char *name,
    const mdm_str_t *value);
void mdm_api_json_text(mdm_api_json_t *j, const char *name,
    const char *value);
void mdm_api_json_int(mdm_api_json_t *j, const char *name, int64_t value);
void mdm_api_json_bool(mdm_api_json_t *j, const char *name,
    mdm_uint_t value);
void mdm_api_json_hex(mdm_api_json_t *j, const char *name,
    const mdm_str_t *value);
void mdm_api_json_base64(mdm_api_json_t *j, const char *name,
    const mdm_str_t *value);

/* a value that is JSON already */
void mdm_api_json_value(mdm_api_json_t *j, const char *name,
    const mdm_str_t *json);

/* a certificate (DER) as PEM */
void mdm_api_json_pem(mdm_api_json_t *j, const char *name,
    const mdm_str_t *der);

/* a string or a time (Unix seconds as digits, written as RFC 3339); one that
   is empty, or no number, is left out */
void mdm_api_json_opt_str(mdm_api_json_t *j, const char *name,
    const mdm_str_t *value);
void mdm_api_json_opt_time(mdm_api_json_t *j, const char *name,
    const mdm_str_t *value);

/* the key form of an id or UUID, written decoded */
void mdm_api_json_id(mdm_api_json_t *j, const char *name,
    const mdm_str_t *key);

/* "first:tally" of a NotNow as an object; nothing where it is empty */
void mdm_api_json_not_now(mdm_api_json_t *j, const mdm_str_t *value);

/* answers it; MDM_DONE or MDM_ERROR */
mdm_int_t mdm_api_json_answer(mdm_api_json_t *j, mdm_exchange_t *x,
    mdm_uint_t status);


#endif /* _MDM_API_JSON_H_INCLUDED_ */
