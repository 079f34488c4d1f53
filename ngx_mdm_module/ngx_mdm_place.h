
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Where a directive stands, for what is found wrong with it only when all has
 * been read: nginx's own messages then name the end of http.
 */


#ifndef _NGX_MDM_PLACE_H_INCLUDED_
#define _NGX_MDM_PLACE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    ngx_str_t                 name;        /* of the directive */
    u_char                   *file;        /* NULL: it was not given */
    ngx_uint_t                line;
} ngx_mdm_place_t;


/* remembers the directive that is being read */
void ngx_mdm_place_set(ngx_conf_t *cf, ngx_mdm_place_t *place);

/*
 * Logs a text, as ngx_conf_log_error() does, and "in FILE:LINE" of the place.
 * A warning that was given before is not repeated: what one directive does
 * wrong for many locations is one line.
 */
void ngx_cdecl ngx_mdm_place_log(ngx_uint_t level, ngx_conf_t *cf,
    ngx_mdm_place_t *place, const char *fmt, ...);


#endif /* _NGX_MDM_PLACE_H_INCLUDED_ */
