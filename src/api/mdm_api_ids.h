
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Lists of enrollment ids and their grouping by partition, in linear time:
 * one request may name a whole fleet.
 */


#ifndef _MDM_API_IDS_H_INCLUDED_
#define _MDM_API_IDS_H_INCLUDED_


#include "mdm_api_util.h"
#include "mdm_hash.h"


/* calls in a round at most, so that a worker's limit is not hit */
#define MDM_API_ROUND         256

/* bytes of a round at most, or one call; of an argument beside itself */
#define MDM_API_ROUND_BYTES   ((size_t) 16 * 1024 * 1024)
#define MDM_API_ARG_BYTES     32


typedef struct {
    mdm_str_t                 name;        /* as the answer shows it */
    mdm_str_t                 key;         /* key form */
    const char               *error;       /* NULL: none */
    uint32_t                  partition;
    mdm_uint_t                already;     /* enqueue: it has it already */
} mdm_api_id_t;


/* ids of one partition that go into one call */

typedef struct {
    mdm_str_t                 tag;         /* KEYS[1] */
    mdm_api_id_t            **ids;
    mdm_uint_t                n;
    mdm_uint_t                done;        /* ids that have their outcome */
} mdm_api_chunk_t;


typedef struct {
    mdm_api_id_t             *ids;         /* each once, in their order */
    mdm_uint_t                n;
    mdm_uint_t                failed;      /* ids with an error */
    mdm_uint_t                full;        /* of them those for whose events
                                              there is no room */
    mdm_uint_t                done;        /* calls that came back, */
    mdm_uint_t                unavailable; /* and did not */
    mdm_api_chunk_t          *chunks;
    mdm_uint_t                nchunks;
    mdm_hash_key_t            hash;
    uint32_t                 *table;       /* hash of what is there */
    mdm_uint_t                mask;
} mdm_api_ids_t;


/* an empty list with room for n ids; MDM_OK or MDM_ERROR */
mdm_int_t mdm_api_ids_init(mdm_exchange_t *x, mdm_api_ids_t *list,
    mdm_uint_t n);

/*
 * Adds an id, given raw; one that is there already is dropped.
 * MDM_DECLINED: it is no enrollment id; MDM_ERROR.
 */
mdm_int_t mdm_api_ids_add(mdm_exchange_t *x, mdm_api_ids_t *list,
    const mdm_str_t *id);

/* 1 if an id (key form) is in the list */
mdm_uint_t mdm_api_ids_has(const mdm_api_ids_t *list, const mdm_str_t *key);

/*
 * Reads the list in x->param[i], parted by commas before it is
 * decoded.  A broken id gets its error, and no call.  More than
 * x->settings->api_ids are refused.  MDM_OK, MDM_DONE or MDM_ERROR.
 */
mdm_int_t mdm_api_ids_read(mdm_exchange_t *x, mdm_uint_t i,
    mdm_api_ids_t *list);

/* makes chunks of at most "size" ids; MDM_OK or MDM_ERROR */
mdm_int_t mdm_api_ids_group(mdm_exchange_t *x, mdm_api_ids_t *list,
    mdm_uint_t size);

/* gives an id of a chunk its error */
void mdm_api_ids_fail(mdm_api_ids_t *list, mdm_api_chunk_t *chunk,
    mdm_uint_t i, const char *error);

/* the same for all of the chunk that have no outcome; it is done then */
void mdm_api_ids_fail_chunk(mdm_api_ids_t *list, mdm_api_chunk_t *chunk,
    const char *error);

/* the same where mdm_exchange_is_full(call); MDM_OK or MDM_ERROR */
mdm_int_t mdm_api_ids_full(mdm_exchange_t *x, mdm_api_ids_t *list,
    mdm_api_chunk_t *chunk, const mdm_call_t *call);

/* the status of the answer: 503 where that is why all have failed */
mdm_uint_t mdm_api_ids_full_status(mdm_exchange_t *x,
    const mdm_api_ids_t *list, mdm_uint_t status);

/*
 * Looks at how the call of a chunk ended: MDM_OK, or MDM_DECLINED: it failed,
 * and so did the ids of the chunk.
 */
mdm_int_t mdm_api_ids_call(mdm_exchange_t *x, mdm_api_ids_t *list,
    mdm_api_chunk_t *chunk, const mdm_call_t *call);

/* 200, 207 or 500: as some or all ids failed; 503: Redis is away */
mdm_uint_t mdm_api_ids_status(const mdm_api_ids_t *list);

/*
 * The answer of a call that changes something of each id: 204, or what failed
 * by id with 207, 500, or 503 where Redis was away.  Returns what a step
 * returns.
 */
mdm_int_t mdm_api_ids_answer(mdm_exchange_t *x, mdm_api_ids_t *list);


/*
 * A call for each chunk of a list, until each id has its outcome.  What a
 * script leaves of a chunk goes into the next round.
 */

typedef struct {
    mdm_uint_t                size;        /* ids in a call, at most */

    /* makes call i; the place for its ids, NULL: no memory */
    mdm_str_t              *(*call)(mdm_exchange_t *x, mdm_uint_t i,
                                    const mdm_str_t *tag, mdm_uint_t nids);

    /* gives ids their errors; returns how many have their outcome now, of
       those that the call was for, chunk->done being the first.  What is no
       such number fails the rest. */
    int64_t                 (*reply)(mdm_api_ids_t *list,
                                     mdm_api_chunk_t *chunk,
                                     const mdm_reply_t *reply);
} mdm_api_ids_calls_t;

/*
 * The whole step of such an endpoint, whose ids are in parameter n of the
 * path: its context is the list, its answer mdm_api_ids_answer().
 */
mdm_int_t mdm_api_ids_step(mdm_exchange_t *x, mdm_uint_t n,
    const mdm_api_ids_calls_t *calls);


#endif /* _MDM_API_IDS_H_INCLUDED_ */
