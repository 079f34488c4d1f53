
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Protects the API from requests of web pages of other sites.
 */


#ifndef _NGX_MDM_ORIGIN_H_INCLUDED_
#define _NGX_MDM_ORIGIN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Of the preaccess phase, so before anything reads the body and before a
 * browser is asked to authenticate.  In a location of the API it refuses what
 * the page of another origin has sent, but for reads that change nothing, and
 * answers the preflight requests of an "mdm_api_origin".
 *
 * A browser tells by Sec-Fetch-Site (Fetch Metadata) and by Origin (RFC 6454,
 * Fetch); programs that are no browser send neither.
 */
ngx_int_t ngx_mdm_origin_handler(ngx_http_request_t *r);

/*
 * Headers of CORS for a response of the API: readable by the page that asked,
 * if its origin is an "mdm_api_origin".  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_mdm_origin_headers(ngx_http_request_t *r, ngx_array_t *origins);

/* sets "mdm_api_origin" */
char *ngx_mdm_api_origin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_MDM_ORIGIN_H_INCLUDED_ */
