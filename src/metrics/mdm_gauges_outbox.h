
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What metrics say of the outboxes of a tenant, and of webhooks.
 */


#ifndef _MDM_GAUGES_OUTBOX_H_INCLUDED_
#define _MDM_GAUGES_OUTBOX_H_INCLUDED_


#include "mdm_metrics.h"


/* webhooks of a tenant that have a name; all further ones are "other" */
#define MDM_GAUGES_HOOKS      100


/* of a webhook in all streams */

typedef struct {
    mdm_str_t                 name;
    int64_t                   lag;
    int64_t                   oldest;      /* Unix ms; 0: there is none */
} mdm_gauges_behind_t;

typedef struct {
    int64_t                   events;
    int64_t                   full;        /* thousandths, of the fullest one */
    int64_t                   dropped;
    mdm_gauges_behind_t       hooks[MDM_GAUGES_HOOKS + 1];
    mdm_uint_t                nhooks;
} mdm_gauges_outbox_t;


/* adds what gauges_read says of a stream; MDM_OK or MDM_ERROR */
mdm_int_t mdm_gauges_outbox_add(mdm_exchange_t *x, mdm_gauges_outbox_t *outbox,
    const mdm_reply_t *reply);

/*
 * Sets the arguments of gauges_put that are of outboxes; "rows" is set to what
 * comes behind them.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_gauges_outbox_put(mdm_exchange_t *x,
    const mdm_gauges_outbox_t *outbox, mdm_str_t *args, mdm_str_t **rows);

/* webhooks that have a name in metrics: the first ones, so many */
mdm_uint_t mdm_gauges_outbox_names(const mdm_settings_t *settings);

/* what gauges_get says; a webhook that is not configured is "other" */
void mdm_gauges_outbox_got(const mdm_exchange_t *x, const mdm_reply_t *reply,
    mdm_gauges_t *gauges);

/* all webhooks that are configured, in their order: none of them waits */
void mdm_gauges_outbox_begin(const mdm_exchange_t *x, mdm_gauges_t *gauges);

/* an integer, or one as text; 0: it is none; sums of these do not overflow */
unsigned long mdm_gauges_number(const mdm_reply_t *reply, size_t i);


#endif /* _MDM_GAUGES_OUTBOX_H_INCLUDED_ */
