
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * When push certificates end, and how often that is said.
 */


#ifndef _MDM_PUSH_EXPIRY_H_INCLUDED_
#define _MDM_PUSH_EXPIRY_H_INCLUDED_


#include "mdm_base.h"


#define MDM_PUSH_DAY          (24 * 60 * 60)

/* days before its end from which on a certificate is "expiring" */
#define MDM_PUSH_EXPIRING     30

/* bytes of what was told */
#define MDM_PUSH_TOLD         24


typedef enum {
    MDM_PUSH_STATE_OK = 0,
    MDM_PUSH_STATE_EXPIRING,
    MDM_PUSH_STATE_EXPIRED,
    MDM_PUSH_STATE_STOPPED
} mdm_push_state_e;


/* "stopped": 1 if no push of the topic is sent, as APNs does not want it */
mdm_push_state_e mdm_push_state(int64_t not_after, int64_t now,
    mdm_uint_t stopped);

/* as the API names it */
const char *mdm_push_state_name(mdm_push_state_e state);

/*
 * Names what is to be said of a certificate now, MDM_PUSH_TOLD bytes at most:
 * "30", "14", … "1" when so many days or fewer are left; in the last day
 * "h<n>", n the hours of it that have passed; then "x<n>", n the hours since
 * its end.  It is said whenever it is another name than that which was said.
 * 0: nothing is.
 */
size_t mdm_push_expiry(int64_t not_after, int64_t now, u_char *told);

/*
 * 1 if that is worth an event behind "before", which is empty where nothing
 * was said yet: hours are not.
 */
mdm_uint_t mdm_push_expiry_event(const mdm_str_t *told,
    const mdm_str_t *before);

/*
 * The line for the log.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_push_expiry_line(mdm_arena_t *arena, const mdm_str_t *tenant,
    const mdm_str_t *topic, int64_t not_after, int64_t now, mdm_str_t *line);


#endif /* _MDM_PUSH_EXPIRY_H_INCLUDED_ */
