
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Compresses by zlib what Redis keeps, and expands it within a limit.
 */


#include <zlib.h>

#include "mdm_deflate.h"


/*
 * What is longer than MDM_DEFLATE_TRY is compressed if a sample of it, so many
 * pieces from all over it, becomes smaller by a tenth at least.
 */
#define MDM_DEFLATE_TRY       65536
#define MDM_DEFLATE_PIECES    4
#define MDM_DEFLATE_PIECE     2048

#define MDM_INFLATE_MIN       4096
#define MDM_INFLATE_MAX       ((size_t) 256 * 1024 * 1024)


static mdm_uint_t mdm_deflate_worth(const mdm_str_t *src);
static mdm_int_t mdm_inflate_loop(mdm_arena_t *arena, z_stream *z,
    mdm_str_t *dst);


mdm_int_t
mdm_deflate(mdm_arena_t *arena, const mdm_str_t *src, mdm_str_t *dst,
    mdm_uint_t *compressed)
{
    int      rc;
    u_char  *p;
    uLongf   len;

    *dst = *src;
    *compressed = 0;

    if (src->len <= MDM_DEFLATE_MIN || !mdm_deflate_worth(src)) {
        return MDM_OK;
    }

    len = compressBound((uLong) src->len);

    p = mdm_arena_alloc(arena, len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    /* level 1: this is written once and read seldom, if at all */

    rc = compress2(p, &len, src->data, (uLong) src->len, 1);

    if (rc != Z_OK) {
        return (rc == Z_MEM_ERROR) ? mdm_arena_no_memory(arena)
                                   : mdm_arena_failed(arena, "compress2");
    }

    if (len < src->len) {
        dst->data = p;
        dst->len = len;
        *compressed = 1;
    }

    return MDM_OK;
}


/*
 * 1, or 0 if it is random, encrypted or compressed already: to find that out
 * by compressing all of it costs 25 ms a megabyte, and a sample of it 2 ms.
 */

static mdm_uint_t
mdm_deflate_worth(const mdm_str_t *src)
{
    size_t  i, step;
    uLongf  len;
    u_char  sample[MDM_DEFLATE_PIECES * MDM_DEFLATE_PIECE];
    u_char  out[MDM_DEFLATE_PIECES * MDM_DEFLATE_PIECE];

    if (src->len <= MDM_DEFLATE_TRY) {
        return 1;
    }

    step = (src->len - MDM_DEFLATE_PIECE) / (MDM_DEFLATE_PIECES - 1);

    for (i = 0; i < MDM_DEFLATE_PIECES; i++) {
        memcpy(sample + i * MDM_DEFLATE_PIECE, src->data + i * step,
               MDM_DEFLATE_PIECE);
    }

    /* with room for nine tenths it fails if it saves less than one tenth */

    len = sizeof(out) - sizeof(out) / 10;

    return (compress2(out, &len, sample, sizeof(sample), 1) == Z_OK);
}


mdm_int_t
mdm_inflate(mdm_arena_t *arena, const mdm_str_t *src, mdm_str_t *dst)
{
    int        init;
    z_stream   z;
    mdm_int_t  rc;

    memset(&z, 0, sizeof(z_stream));

    init = (src->len > MDM_INFLATE_MAX) ? Z_DATA_ERROR : inflateInit(&z);

    if (init != Z_OK) {
        return (init == Z_MEM_ERROR) ? mdm_arena_no_memory(arena)
                                     : mdm_arena_failed(arena, "inflateInit");
    }

    z.next_in = src->data;
    z.avail_in = (uInt) src->len;

    rc = mdm_inflate_loop(arena, &z, dst);

    (void) inflateEnd(&z);

    return rc;
}


static mdm_int_t
mdm_inflate_loop(mdm_arena_t *arena, z_stream *z, mdm_str_t *dst)
{
    int      rc;
    u_char  *p, *old;
    size_t   size, used;

    size = MDM_INFLATE_MIN + 4 * (size_t) z->avail_in;
    used = 0;
    old = NULL;

    for ( ;; ) {

        p = mdm_arena_alloc(arena, size);
        if (p == NULL) {
            return MDM_ERROR;
        }

        if (used != 0) {
            memcpy(p, old, used);
        }

        z->next_out = p + used;
        z->avail_out = (uInt) (size - used);

        rc = inflate(z, Z_NO_FLUSH);

        used = size - z->avail_out;

        if (rc == Z_STREAM_END) {
            break;
        }

        if (rc == Z_MEM_ERROR) {
            return mdm_arena_no_memory(arena);
        }

        /* it stopped before its end although there was room: it is cut off */

        if (rc != Z_OK || z->avail_out != 0 || size > MDM_INFLATE_MAX / 2)
        {
            return mdm_arena_failed(arena, "inflate");
        }

        old = p;
        size *= 2;
    }

    dst->data = p;
    dst->len = used;

    return MDM_OK;
}
