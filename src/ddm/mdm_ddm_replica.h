
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A partition's copy of the tenant's sets: how what changed comes to it, in
 * pages, and steps that bring a partition up to date before something is
 * computed there.
 */


#ifndef _MDM_DDM_REPLICA_H_INCLUDED_
#define _MDM_DDM_REPLICA_H_INCLUDED_


#include "mdm_exchange.h"


/*
 * Work that a page is: its rows, and the declarations of sets.  A script that
 * reads or takes one needs about two milliseconds.
 */
#define MDM_DDM_PAGE          500

/* slices of the largest manifest, and more */
#define MDM_DDM_SLICES        6000

/* bytes of replies that one exchange holds at most, about */
#define MDM_DDM_BYTES         (8 * 1024 * 1024)


/* what changed since a revision; in the exchange's arena */

typedef struct {
    int64_t                   rev;         /* of the tenant, when it was read */
    int64_t                   upto;        /* all up to there is in it */
    mdm_uint_t                last;        /* 1: there is no more */
    mdm_str_t                 watchers;
    mdm_str_t                *rows;        /* as ddm_apply takes them */
    mdm_uint_t                nrows;       /* strings, not rows */
    size_t                    bytes;       /* of the reply, about */
} mdm_ddm_page_t;


/*
 * Fills in call i: the page of tenant "key" behind revision "since".  MDM_OK or
 * MDM_ERROR.
 */
mdm_int_t mdm_ddm_page_call(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_str_t *key, int64_t since);

/*
 * The reply to it: sorts the declarations of each set.  MDM_OK; MDM_DECLINED:
 * it is none of its script's; MDM_ERROR.
 */
mdm_int_t mdm_ddm_page_read(mdm_exchange_t *x, mdm_uint_t i,
    mdm_ddm_page_t *page);

/*
 * Fills in call i: partition "tag", whose copy has had pages up to "cursor" (0:
 * none), takes a page.  reset: 1: its copy has what the tenant has lost, and
 * begins anew with this page, the first one.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_ddm_page_apply(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_str_t *tag, int64_t cursor, mdm_uint_t reset,
    const mdm_ddm_page_t *page);


/* x->ctx of mdm_ddm_sync(), in the arena; zeroed but for the first */

typedef struct {
    mdm_str_t                 tag;         /* of the partition */

    mdm_uint_t                done;        /* 1: it has all that the tenant had
                                              when the step was entered; 0:
                                              Redis was away, or there was too
                                              much of it */

    mdm_str_t                 key;         /* the step's own */
    int64_t                   cursor;
    mdm_uint_t                reset;
    size_t                    bytes;
    mdm_ddm_page_t            page;
} mdm_ddm_sync_t;


/*
 * A step to be entered before declarations of a partition are computed that
 * have to follow from what was changed by now: brings its copy what it lacks.
 * Leaves with sync->done.
 */
mdm_int_t mdm_ddm_sync(mdm_exchange_t *x);

/* it is to be entered once more: meanwhile the copy has begun anew */
void mdm_ddm_sync_again(mdm_ddm_sync_t *sync);


/* x->ctx of mdm_ddm_follow(), in the arena; zeroed but for what is filled in */

typedef struct {
    mdm_str_t                 tag;         /* filled in by the caller: of the
                                              partition */
    mdm_str_t                 id;          /* the channel, key form */
    mdm_uint_t                fresh;       /* 1: it enrolled just now */
    mdm_uint_t                must;        /* 1: no rollout makes up for it; the
                                              step sets it, too */

    mdm_ddm_sync_t            sync;        /* the step's own */
    mdm_uint_t                calls;
} mdm_ddm_follow_t;


/*
 * A step to be entered where a channel can be told from now on, and what it has
 * was computed from the copy of its partition: brings that up to date, computes
 * anew and tells the channel.  Where Redis is away, the rollout is left to do
 * so, and a device is not refused for that.  But a rollout tells nobody of what
 * was changed quietly, nor does it make what is left of a large manifest: with
 * "must" it is 503, and the caller tries again.
 */
mdm_int_t mdm_ddm_follow(mdm_exchange_t *x);

/*
 * What scripts say of a manifest: Redis evicts what is under way of it, again
 * and again.  Says so in the log.
 */
#define MDM_DDM_EVICTED       3

void mdm_ddm_evicted(mdm_exchange_t *x);


#endif /* _MDM_DDM_REPLICA_H_INCLUDED_ */
