
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Can a store be called now?  From what this worker knows, without asking.
 */


#include "ngx_mdm_redis.h"
#include "ngx_mdm_redis_node.h"


/* seconds for which an error of a server is believed, when no other follows */
#define NGX_MDM_REDIS_BELIEVED  30


static ngx_uint_t ngx_mdm_redis_state_node(ngx_mdm_redis_node_t *node,
    ngx_str_t *state);


ngx_uint_t
ngx_mdm_redis_state(ngx_mdm_store_t *store, ngx_str_t *state)
{
    ngx_uint_t             n;
    ngx_queue_t           *q;
    ngx_mdm_redis_t       *redis;
    ngx_mdm_redis_node_t  *node;

    redis = ngx_mdm_redis_get(store);

    n = 0;

    ngx_str_set(state, "up");

    if (redis != NULL) {

        for (q = ngx_queue_head(&redis->nodes);
             q != ngx_queue_sentinel(&redis->nodes);
             q = ngx_queue_next(q))
        {
            node = ngx_queue_data(q, ngx_mdm_redis_node_t, queue);

            /* of a cluster, those that have slots */

            if (redis->mode->slots && !node->listed) {
                continue;
            }

            n++;

            if (!ngx_mdm_redis_state_node(node, state)) {
                return 0;
            }
        }
    }

    if (n == 0) {
        ngx_str_set(state, "down");
        return 0;
    }

    return 1;
}


static ngx_uint_t
ngx_mdm_redis_state_node(ngx_mdm_redis_node_t *node, ngx_str_t *state)
{
    if (node->conn.peer.state != NGX_MDM_PEER_READY) {

        if (node->conn.peer.down) {
            ngx_str_set(state, "down");

        } else {
            ngx_str_set(state, "connecting");
        }

        return 0;
    }

    /* where nobody is sent to any more, no call will show that it is over */

    if (node->health.trouble
        && ngx_time() - node->health.last < NGX_MDM_REDIS_BELIEVED)
    {
        /* a constant; one that is full refuses the API, but serves devices */

        *state = node->health.code;

        return state->len == 3 && ngx_memcmp(state->data, "OOM", 3) == 0;
    }

    /* what only reads is served, and another host has the same replicas */

    if (node->health.unconfirmed != 0) {
        ngx_str_set(state, "unconfirmed");
    }

    return 1;
}
