
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Going through the partitions in order, each by its index: a script looks at
 * some hundred entries, a request at some thousand, and then answers with what
 * it has and a cursor, however little that is.
 */


#ifndef _MDM_API_SCAN_H_INCLUDED_
#define _MDM_API_SCAN_H_INCLUDED_


#include "mdm_api_util.h"


#define MDM_API_SCAN_COST     20000        /* entries that a request looks at */
#define MDM_API_SCAN_CALL     20           /* what a call costs by itself */


typedef struct {
    uint32_t                  partition;   /* where it stands, */
    mdm_str_t                 after;       /* and behind what there; empty: at
                                              its beginning */
    mdm_uint_t                width;       /* partitions in the next round, 1
                                              at first */
    mdm_uint_t                large;       /* 1: a partition took more than
                                              one call */
    mdm_uint_t                cost;        /* so far */
    mdm_uint_t                more;        /* 1: there is a next page */
} mdm_api_scan_t;


/*
 * How many partitions are asked in the next round; "full" is 1 when the page
 * is.  0: answer, the scan is at its end, or scan->more.
 */
mdm_uint_t mdm_api_scan_round(mdm_exchange_t *x, mdm_api_scan_t *scan,
    mdm_uint_t full);

/* the tag of partition i of them; MDM_OK or MDM_ERROR */
mdm_int_t mdm_api_scan_tag(mdm_exchange_t *x, const mdm_api_scan_t *scan,
    mdm_uint_t i, mdm_str_t *tag);

/* a call came back that has looked at so many entries */
void mdm_api_scan_count(mdm_api_scan_t *scan, int64_t looked);

/*
 * The current partition is at its end; it is not, and the next call for it
 * goes on behind "after": further ones were asked too early.
 */
void mdm_api_scan_leave(mdm_api_scan_t *scan);
void mdm_api_scan_stay(mdm_api_scan_t *scan, const mdm_str_t *after);

/* a round is over: the next one may have twice as many, "most" at most */
void mdm_api_scan_widen(mdm_api_scan_t *scan, mdm_uint_t most);


/*
 * A cursor is "partition,after", where the latter may hold any byte.  Writes
 * one to "dst"; reads one that a client sent: MDM_OK, MDM_DONE or MDM_ERROR.
 */
mdm_int_t mdm_api_scan_write(mdm_exchange_t *x, const mdm_api_scan_t *scan,
    mdm_str_t *dst);
mdm_int_t mdm_api_scan_read(mdm_exchange_t *x, mdm_api_scan_t *scan,
    const mdm_str_t *cursor);


#endif /* _MDM_API_SCAN_H_INCLUDED_ */
