
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The errors that a server answers: their codes, and their text for the log.
 */


#ifndef _NGX_MDM_REDIS_ERROR_H_INCLUDED_
#define _NGX_MDM_REDIS_ERROR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mdm_exchange.h"


/* 1 if the error begins with this code, such as "NOPERM" or "MOVED " */
ngx_uint_t ngx_mdm_redis_begins(mdm_str_t *error, const char *code);

/*
 * Is this error of the kind that goes away (LOADING, READONLY, OOM …)?  1
 * or 0; *code is its name.
 */
ngx_uint_t ngx_mdm_redis_unavailable(mdm_str_t *error, ngx_str_t *code);

/* 1: an error that says that a slot is, or may be, with another node */
ngx_uint_t ngx_mdm_redis_elsewhere(mdm_str_t *error);

/* a server's text for the log, without control bytes; buf has "size" */
void ngx_mdm_redis_text(ngx_str_t *text, mdm_str_t *from, u_char *buf,
    size_t size);


#endif /* _NGX_MDM_REDIS_ERROR_H_INCLUDED_ */
