
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What answers of APNs lead to: for the channel that was pushed to, and for
 * all of its topic, of which a worker remembers what came before.
 */


#ifndef _MDM_PUSH_MEMORY_H_INCLUDED_
#define _MDM_PUSH_MEMORY_H_INCLUDED_


#include "mdm_push.h"


/* seconds after a 200 in which a bad token is believed to be one */
#define MDM_PUSH_BELIEVED     3600

/* bad tokens in a row that stop a topic */
#define MDM_PUSH_BAD_TOKENS   20

/* 5xx in a row that pause it, and seconds between two probes then */
#define MDM_PUSH_ERRORS       5
#define MDM_PUSH_PROBE        30

/* seconds between two lines about requests of ours that were wrong */
#define MDM_PUSH_BUG_QUIET    60


/* what a worker remembers of a topic; zeroed, it has seen nothing */

typedef struct {
    int64_t                   taken;       /* when APNs took a push */
    mdm_uint_t                bad;         /* bad tokens in a row */
    mdm_uint_t                errors;      /* 5xx in a row */
    int64_t                   probe;       /* paused: when one push may go;
                                              0: it is not */
    int64_t                   paused;      /* since when */
    mdm_uint_t                held;        /* pushes that were held back */
    int64_t                   bug;         /* when one was told of */
} mdm_push_memory_t;


/* what an answer changes for its topic */

#define MDM_PUSH_NOTE_TAKEN   0x01         /* APNs takes pushes of it */
#define MDM_PUSH_NOTE_STOP    0x02         /* it takes none any more */
#define MDM_PUSH_NOTE_TOKENS  0x04         /* with it: bad tokens are why */
#define MDM_PUSH_NOTE_PAUSE   0x08         /* only probes are sent */
#define MDM_PUSH_NOTE_RESUME  0x10         /* no longer */
#define MDM_PUSH_NOTE_BUG     0x20         /* tell of a wrong request */


/* what becomes of a channel: the arguments of push_done */

typedef struct {
    const char               *word;        /* taken, dead, later, never, again,
                                              back */
    int64_t                   first;       /* ms; with taken nothing is said */
    int64_t                   last;
    mdm_str_t                 reason;      /* the status in front, if any */
    mdm_str_t                 timestamp;   /* "": dead is believed; else ms,
                                              "0": none was given */
    mdm_uint_t                waits;       /* 1: no push of its topic can be
                                              sent for "first" ms */
} mdm_push_judged_t;


/*
 * Notes how a push of the topic has ended, once for each; MDM_PUSH_NOTE_….
 * push->believed is set.  "now": Unix seconds.
 */
mdm_uint_t mdm_push_note(mdm_push_memory_t *memory, mdm_push_t *push,
    int64_t now);

/*
 * May a push of the topic be sent?  0: yes, and while it is paused that was the
 * probe; else ms until the next one.
 */
mdm_uint_t mdm_push_hold(mdm_push_memory_t *memory, int64_t now);

/*
 * What becomes of a channel whose push has ended.  Nothing but the push and
 * x->settings is looked at.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_push_judge(mdm_exchange_t *x, const mdm_push_t *push,
    mdm_push_judged_t *judged);


#endif /* _MDM_PUSH_MEMORY_H_INCLUDED_ */
