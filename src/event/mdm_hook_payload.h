
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The message or the result that goes out with an event.
 */


#ifndef _MDM_HOOK_PAYLOAD_H_INCLUDED_
#define _MDM_HOOK_PAYLOAD_H_INCLUDED_


#include "mdm_hook.h"


/*
 * Does it take long to send the next event that the webhook wants, from "row"
 * of the rows of hook_take on?  1: a thread should do it.
 */
mdm_uint_t mdm_hook_large(const mdm_webhook_t *webhook,
    const mdm_reply_t *rows, size_t row);

/*
 * Opens and expands what goes out with the event of that row, into
 * event->payload, which stays empty where the webhook wants none.  What is not
 * there any more, or cannot be read, is event->lost.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_hook_payload(mdm_exchange_t *x, const mdm_hook_t *hook,
    const mdm_reply_t *rows, size_t row, mdm_event_t *event);


#endif /* _MDM_HOOK_PAYLOAD_H_INCLUDED_ */
