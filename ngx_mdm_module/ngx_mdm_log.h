
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
 * refused, if it was.  One of whoever is there without a certificate is a line
 * of level info, and counted: ngx_mdm_log_stray().
 */
void ngx_mdm_log_exchange(ngx_mdm_ctx_t *ctx);

/*
 * src with what a line of a log must not hold written as \xNN, byte by byte:
 * control characters, characters that cannot be seen or that turn the
 * direction of text, what is not UTF-8; and quotes and backslashes, if quote
 * is not 0.  src itself, if there is nothing of the kind; "no memory".
 */
ngx_str_t ngx_mdm_printable(ngx_pool_t *pool, ngx_str_t *src,
    ngx_uint_t quote);

/* tells what was counted and not told yet */
void ngx_mdm_log_exit_process(ngx_cycle_t *cycle);


#endif /* _NGX_MDM_LOG_H_INCLUDED_ */
