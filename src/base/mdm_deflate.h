
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What devices send and Redis keeps, compressed by zlib.
 */


#ifndef _MDM_DEFLATE_H_INCLUDED_
#define _MDM_DEFLATE_H_INCLUDED_


#include "mdm_base.h"


/* what has no more bytes than this is kept as it is */
#define MDM_DEFLATE_MIN       1024


/*
 * *dst is src itself, or, if that makes it smaller, its compressed form, owned
 * by the arena, and *compressed is 1.  Over 64 kB a sample of 8 kB says first
 * whether it is worth it.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_deflate(mdm_arena_t *arena, const mdm_str_t *src,
    mdm_str_t *dst, mdm_uint_t *compressed);

/* the reverse; MDM_OK; MDM_ERROR: no memory, or it is broken */
mdm_int_t mdm_inflate(mdm_arena_t *arena, const mdm_str_t *src,
    mdm_str_t *dst);


#endif /* _MDM_DEFLATE_H_INCLUDED_ */
