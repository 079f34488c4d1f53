
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a webhook can be told of: the names of events, a bit each.
 */


#ifndef _MDM_TOPIC_H_INCLUDED_
#define _MDM_TOPIC_H_INCLUDED_


#include "mdm_base.h"


/* what there is without "topics": enrolling, and answers to commands */
#define MDM_TOPICS_DEFAULT    "mdm.Authenticate,mdm.TokenUpdate,"            \
                              "mdm.CheckOut,mdm.SetBootstrapToken,mdm.Connect"


/*
 * Reads a list of names parted by commas.  A name may end with ".*": all that
 * begin so, and are in streams; "nanomdm": all messages that NanoMDM tells of,
 * those that change nothing among them.  MDM_OK;
 * MDM_DECLINED: *bad is the name that is none, and points into "list".
 */
mdm_int_t mdm_topics_read(const mdm_str_t *list, uint64_t *topics,
    mdm_str_t *bad);

/* the bit of an event; 0: there is no such event */
uint64_t mdm_topic(const mdm_str_t *name);

/* those of messages that change nothing, which are in no stream */
uint64_t mdm_topics_once(void);


#endif /* _MDM_TOPIC_H_INCLUDED_ */
