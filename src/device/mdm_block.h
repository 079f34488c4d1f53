
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Devices that an administrator has blocked: nothing that they send is taken,
 * and they are told to go, if he wants so.
 */


#ifndef _MDM_BLOCK_H_INCLUDED_
#define _MDM_BLOCK_H_INCLUDED_


#include "mdm_exchange.h"


/* bytes of a reason */
#define MDM_BLOCK_REASON      255


/* how what a device sends is refused */

typedef enum {
    MDM_BLOCK_NONE = 0,          /* it is not */
    MDM_BLOCK_REFUSE,            /* 403 */
    MDM_BLOCK_REMOVE,            /* 401: it drops all that is managed */
    MDM_BLOCK_UNRECOGNIZED,      /* the same by 403 and a code of Apple's */
    MDM_BLOCKS
} mdm_block_e;


/* as it stands in Redis: "refuse" …; empty for MDM_BLOCK_NONE */
mdm_str_t mdm_block_name(mdm_block_e block);

/* the same of element i of a reply; what is no name of ours is "refuse" */
mdm_block_e mdm_block_read(const mdm_reply_t *reply, size_t i);

/*
 * Fills in call i: is the device with this id (key form) or this serial number
 * (raw) blocked?  Either may be empty.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_block_call(mdm_exchange_t *x, mdm_uint_t i, const mdm_str_t *id,
    const mdm_str_t *serial);

/* refuses a message; MDM_DONE */
mdm_int_t mdm_block_refuse(mdm_exchange_t *x, mdm_block_e block);


#endif /* _MDM_BLOCK_H_INCLUDED_ */
