
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Fuzzes src/push/mdm_push_certificate.c: PEM of a certificate and its key.
 */


#include <stdlib.h>

#include "mdm_push_certificate.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mdm_int_t                rc;
    mdm_str_t                in;
    const char              *why;
    mdm_arena_t             *arena;
    mdm_push_certificate_t   cert;

    arena = mdm_arena_create(1024);
    if (arena == NULL) {
        return 0;
    }

    in.data = (u_char *) data;
    in.len = size;
    why = NULL;

    rc = mdm_push_certificate_read(arena, &in, &cert, &why);

    if ((rc == MDM_DECLINED && why == NULL)
        || (rc == MDM_OK
            && (cert.cert == NULL || cert.key == NULL
                || cert.topic.len < 14 || !mdm_utf8_valid(&cert.topic))))
    {
        abort();
    }

    mdm_arena_destroy(arena);

    return 0;
}
