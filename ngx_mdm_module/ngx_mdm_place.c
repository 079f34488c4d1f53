
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Remembers where directives stand, and logs what is wrong with them.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_place.h"


static ngx_uint_t ngx_mdm_place_said(ngx_conf_t *cf, ngx_str_t *text);


void
ngx_mdm_place_set(ngx_conf_t *cf, ngx_mdm_place_t *place)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    place->name = value[0];
    place->file = cf->conf_file->file.name.data;
    place->line = cf->conf_file->line;
}


void ngx_cdecl
ngx_mdm_place_log(ngx_uint_t level, ngx_conf_t *cf, ngx_mdm_place_t *place,
    const char *fmt, ...)
{
    u_char     *p, *last, buf[NGX_MAX_CONF_ERRSTR];
    va_list     args;
    ngx_str_t   text;

    last = buf + NGX_MAX_CONF_ERRSTR;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, last, fmt, args);
    va_end(args);

    if (place->file != NULL) {
        p = ngx_slprintf(p, last, " in %s:%ui", place->file, place->line);
    }

    text.data = buf;
    text.len = p - buf;

    if (level == NGX_LOG_WARN && ngx_mdm_place_said(cf, &text)) {
        return;
    }

    ngx_log_error(level, cf->log, 0, "%V", &text);
}


/* remembers the text; 1: it is known already */

static ngx_uint_t
ngx_mdm_place_said(ngx_conf_t *cf, ngx_str_t *text)
{
    ngx_str_t            *said;
    ngx_uint_t            i;
    ngx_mdm_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_mdm_module);

    said = mmcf->said.elts;

    for (i = 0; i < mmcf->said.nelts; i++) {
        if (said[i].len == text->len
            && ngx_memcmp(said[i].data, text->data, text->len) == 0)
        {
            return 1;
        }
    }

    said = ngx_array_push(&mmcf->said);

    if (said != NULL) {
        said->len = text->len;
        said->data = ngx_pstrdup(cf->pool, text);

        if (said->data == NULL) {
            said->len = 0;
        }
    }

    return 0;
}
