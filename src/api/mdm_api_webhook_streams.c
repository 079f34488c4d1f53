
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Calls of a script for each stream of a tenant.
 */


#include "mdm_api_webhook.h"


/* calls in a round */
#define MDM_API_STREAMS       128

/* rounds beside those that all streams need: nothing goes on for ever */
#define MDM_API_STREAMS_MORE  64


static mdm_int_t mdm_api_streams_replies(mdm_exchange_t *x,
    mdm_api_streams_t *streams);


mdm_int_t
mdm_api_streams(mdm_exchange_t *x, mdm_api_streams_t *streams,
    mdm_int_t state)
{
    mdm_int_t   rc;
    mdm_str_t  *args;
    mdm_uint_t  i;

    if (streams->tags == NULL) {
        streams->tags = mdm_arena_alloc(x->arena, MDM_API_STREAMS
                                                  * sizeof(mdm_str_t));
        if (streams->tags == NULL) {
            return MDM_ERROR;
        }

    } else {
        rc = mdm_api_streams_replies(x, streams);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    while (streams->ntags < MDM_API_STREAMS) {
        rc = mdm_hook_tag(x, streams->next, &streams->tags[streams->ntags]);

        if (rc == MDM_ERROR) {
            return MDM_ERROR;
        }

        if (rc == MDM_DECLINED) {
            break;
        }

        streams->next++;
        streams->ntags++;
    }

    if (streams->ntags == 0) {
        return MDM_OK;
    }

    if (mdm_exchange_calls(x, streams->ntags, state) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < streams->ntags; i++) {
        args = mdm_exchange_call(x, i, streams->script, &streams->tags[i], 0);

        if (args == NULL || streams->fill(x, streams, args) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_streams_replies(mdm_exchange_t *x, mdm_api_streams_t *streams)
{
    mdm_int_t   rc;
    mdm_uint_t  i, more;

    streams->ntags = 0;

    more = (streams->rounds++ < x->settings->store->partitions
                                + MDM_API_STREAMS_MORE);

    for (i = 0; i < x->ncalls; i++) {

        rc = streams->reply(x, streams, &x->calls[i]);

        if (rc == MDM_DECLINED && more) {
            streams->tags[streams->ntags++] = x->calls[i].key;
            continue;
        }

        if (rc != MDM_OK && rc != MDM_DECLINED) {
            return rc;
        }
    }

    return MDM_OK;
}
