
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the API's steps share: the path, the query, cursors, the audit's who.
 */


#ifndef _MDM_API_UTIL_H_INCLUDED_
#define _MDM_API_UTIL_H_INCLUDED_


#include "mdm_enrollment.h"
#include "mdm_exchange.h"
#include "mdm_json.h"
#include "mdm_json_write.h"


/*
 * x->param[i] decoded: any bytes, slashes too.  MDM_OK; MDM_DECLINED: a broken
 * percent-encoding, which the caller refuses; MDM_ERROR.
 */
mdm_int_t mdm_api_param(mdm_exchange_t *x, mdm_uint_t i, mdm_str_t *raw);


/*
 * These answer with MDM_OK, with MDM_DONE where they have refused the request
 * (return it), or with MDM_ERROR.
 */


/* the enrollment named by x->param[i] */
mdm_int_t mdm_api_enrollment(mdm_exchange_t *x, mdm_uint_t i,
    mdm_enrollment_t *en);

/* the CommandUUID named by x->param[i], in key form */
mdm_int_t mdm_api_uuid(mdm_exchange_t *x, mdm_uint_t i, mdm_str_t *key);

/* an argument of the query, decoded; empty if it is not there */
mdm_int_t mdm_api_arg(mdm_exchange_t *x, const char *name, mdm_str_t *value);

/* one that is a number from min to max, or "value" as it was */
mdm_int_t mdm_api_arg_number(mdm_exchange_t *x, const char *name, int64_t min,
    int64_t max, int64_t *value);

/* one that is 0 or 1; "value" as it was where it is not there */
mdm_int_t mdm_api_arg_flag(mdm_exchange_t *x, const char *name,
    mdm_uint_t *value);


/*
 * The body as JSON; "what" it has to be is for the message: "JSON" or "a JSON
 * object".  *root is the arena's.
 */
mdm_int_t mdm_api_body(mdm_exchange_t *x, const char *what, json_t **root);

/* the same within the limits of a message: one that is kept, and read again */
mdm_int_t mdm_api_body_load(mdm_exchange_t *x, json_t **root);


/* cursors: any bytes as base64url, opaque to clients */
mdm_int_t mdm_api_cursor_write(mdm_arena_t *arena, mdm_str_t *dst,
    const mdm_str_t *src);
mdm_int_t mdm_api_cursor_read(mdm_exchange_t *x, mdm_str_t *dst,
    const mdm_str_t *src);
mdm_int_t mdm_api_cursor_refuse(mdm_exchange_t *x);

/* "limit", from 1 to "most", and "cursor" of a page; as mdm_api_arg() */
mdm_int_t mdm_api_page_args(mdm_exchange_t *x, int64_t most, int64_t *limit,
    mdm_str_t *cursor);

/*
 * Ends a page, whose array is open in an object: "next_cursor", unless "next"
 * is empty, and 200.  As mdm_api_json_answer().
 */
mdm_int_t mdm_api_page_end(mdm_exchange_t *x, mdm_json_out_t *j,
    const mdm_str_t *next);

/*
 * One of "number,after": how far a walk over "limit" places is, and what it has
 * done of that place, any bytes.  *after is the arena's.  MDM_OK or MDM_ERROR;
 * to read it also what mdm_api_cursor_refuse() returns.
 */
mdm_int_t mdm_api_cursor_place_write(mdm_exchange_t *x, mdm_str_t *dst,
    mdm_uint_t number, const mdm_str_t *after);
mdm_int_t mdm_api_cursor_place_read(mdm_exchange_t *x, const mdm_str_t *src,
    mdm_uint_t limit, mdm_uint_t *number, mdm_str_t *after);


/*
 * Seconds, 1 to "most", of a JSON number, or of a string with a unit as nginx
 * has them, such as "15m".  MDM_OK or MDM_DECLINED.
 */
mdm_int_t mdm_api_seconds(const json_t *value, int64_t most, int64_t *seconds);

mdm_int_t mdm_api_number(mdm_exchange_t *x, mdm_str_t *dst, int64_t n);

/* "1" or "0" */
mdm_str_t mdm_api_flag(mdm_uint_t flag);


/* 404: the answer to a script's "not enrolled" */
mdm_int_t mdm_api_not_enrolled(mdm_exchange_t *x);


#define MDM_API_UNAVAILABLE   "redis is unavailable, try again"
#define MDM_API_FAILED        "internal error, see the error log"
#define MDM_API_NOT_ENROLLED  "not enrolled"
#define MDM_API_NO_ID         "not an enrollment id: empty, too long, or a " \
                              "broken percent-encoding"


#endif /* _MDM_API_UTIL_H_INCLUDED_ */
