
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Small files with secrets, which are read while the configuration is.
 */


#ifndef _NGX_MDM_FILE_H_INCLUDED_
#define _NGX_MDM_FILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Reads a file of at most "size" bytes; "what" names its kind in messages,
 * such as "password file".  *others: what everybody may do with it, bits of
 * S_IROTH and S_IWOTH; the caller judges that.  The number of bytes, or
 * NGX_ERROR: the log says why.
 */
ssize_t ngx_mdm_file_read(ngx_conf_t *cf, const char *what, ngx_str_t *name,
    u_char *buf, size_t size, ngx_uint_t *others);


#endif /* _NGX_MDM_FILE_H_INCLUDED_ */
