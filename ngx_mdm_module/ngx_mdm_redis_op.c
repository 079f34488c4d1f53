
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The memory of calls: what a worker has freed is used for the next ones.
 */


#include "ngx_mdm_redis_conn.h"


/* so many are kept at most: about 150 kB */
#define NGX_MDM_REDIS_OPS    1024


static ngx_mdm_redis_op_t  *ngx_mdm_redis_ops;
static ngx_uint_t           ngx_mdm_redis_nops;


ngx_mdm_redis_op_t *
ngx_mdm_redis_op_create(void)
{
    ngx_mdm_redis_op_t  *op;

    op = ngx_mdm_redis_ops;

    if (op == NULL) {
        return ngx_calloc(sizeof(ngx_mdm_redis_op_t), ngx_cycle->log);
    }

    ngx_mdm_redis_ops = op->data;
    ngx_mdm_redis_nops--;

    ngx_memzero(op, sizeof(ngx_mdm_redis_op_t));

    return op;
}


void
ngx_mdm_redis_op_free(ngx_mdm_redis_op_t *op)
{
    if (!MDM_RECYCLE || ngx_mdm_redis_nops == NGX_MDM_REDIS_OPS) {
        ngx_free(op);
        return;
    }

    op->data = ngx_mdm_redis_ops;

    ngx_mdm_redis_ops = op;
    ngx_mdm_redis_nops++;
}


void
ngx_mdm_redis_op_clear(void)
{
    ngx_mdm_redis_op_t  *op;

    while (ngx_mdm_redis_ops != NULL) {
        op = ngx_mdm_redis_ops;
        ngx_mdm_redis_ops = op->data;

        ngx_free(op);
    }

    ngx_mdm_redis_nops = 0;
}
