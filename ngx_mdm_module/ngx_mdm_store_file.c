
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Files of a store: passwords and keys.
 */


#include "ngx_mdm.h"
#include "ngx_mdm_file.h"
#include "ngx_mdm_store.h"


ssize_t
ngx_mdm_store_read_file(ngx_conf_t *cf, const char *what, ngx_str_t *name,
    u_char *buf, size_t size)
{
    ssize_t     n;
    ngx_uint_t  others;

    n = ngx_mdm_file_read(cf, what, name, buf, size, &others);

    if (n != NGX_ERROR && (others & S_IROTH)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "%s \"%V\" is readable by everybody", what, name);
    }

    return n;
}
