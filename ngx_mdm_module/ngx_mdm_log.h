
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the error log is told of requests.
 */


#ifndef _NGX_MDM_LOG_H_INCLUDED_
#define _NGX_MDM_LOG_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_module.h"


/*
 * Logs the lines of an exchange that has ended, and why the request was
 * refused, if it was.  A refused request without a certificate is logged at
 * level info, and counted: ngx_mdm_log_stray().
 */
void ngx_mdm_log_exchange(ngx_mdm_ctx_t *ctx);

/*
 * Returns src with all that must not stand in a line of a log written as \xNN,
 * byte by byte: control characters, invisible characters, those that change
 * the direction of text, and what is not UTF-8; if quote is not 0, quotes and
 * backslashes, too.  Returns src itself if there is nothing of the kind, and
 * the text "no memory" where there is none.
 */
ngx_str_t ngx_mdm_printable(ngx_pool_t *pool, ngx_str_t *src,
    ngx_uint_t quote);

/* logs what was counted and not logged yet */
void ngx_mdm_log_exit_process(ngx_cycle_t *cycle);


/* ngx_mdm_log_metrics.c */

/* the handler of the log phase, where metrics are wanted */
ngx_int_t ngx_mdm_log_metrics(ngx_http_request_t *r);


#endif /* _NGX_MDM_LOG_H_INCLUDED_ */
