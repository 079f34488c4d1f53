
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Counters in shared memory, which stay over reloads and crashes: a row for
 * each worker, that it alone adds to while there are enough of them.  What is
 * counted, mdm_metrics.h says.
 */


#ifndef _NGX_MDM_COUNT_H_INCLUDED_
#define _NGX_MDM_COUNT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_metrics.h"


/* bytes of the zone, by default and at least */
#define NGX_MDM_COUNT_SIZE    (1024 * 1024)
#define NGX_MDM_COUNT_MIN     (512 * 1024)


/* the row of this worker; NULL: nothing is counted */
extern mdm_metrics_row_t  *ngx_mdm_count_row;

/* 1: the row has other workers, too */
extern ngx_uint_t          ngx_mdm_count_shared;


/*
 * Adds to a counter of a row, which others may read meanwhile.  Where nobody
 * else adds to it, the lock of an atomic addition would only take time.
 */
#define ngx_mdm_count_add(counter, n)                                         \
    (ngx_mdm_count_shared                                                     \
     ? (void) ngx_atomic_fetch_add(counter, (ngx_atomic_int_t) (n))           \
     : (void) (*(counter) += (n)))

/* the same to the own one, if there is one */
#define ngx_mdm_count(field, n)                                               \
    do {                                                                      \
        if (ngx_mdm_count_row != NULL) {                                      \
            ngx_mdm_count_add(&ngx_mdm_count_row->field, n);                  \
        }                                                                     \
    } while (0)


/* one more value of a histogram, ms */
void ngx_mdm_count_time(mdm_histogram_t *histogram,
    mdm_metrics_limits_e limits, uint64_t ms);

/*
 * The counters of a store in the own row, by its name: where it is in the
 * configuration may change.  "place" is where it is among all; NULL: nothing
 * is counted.
 */
mdm_metrics_store_t *ngx_mdm_count_store(ngx_str_t *name, ngx_uint_t *place);


/* the same of a webhook, whose name is that of one only */
mdm_metrics_webhook_t *ngx_mdm_count_webhook(ngx_str_t *name);


/* what a scrape reads; in the memory of a request */

typedef struct {
    mdm_metrics_row_t         sums;
    mdm_metrics_now_t         now;
    mdm_metrics_name_t        stores[MDM_METRICS_STORES];
    ngx_uint_t                nstores;
    mdm_metrics_name_t        webhooks[MDM_METRICS_WEBHOOKS];
    mdm_gauges_t              gauges;      /* of all stores */
} ngx_mdm_count_t;

/*
 * Adds up all rows of a zone; takes no lock.  "used": bit by bit, the places of
 * stores that there are, see ngx_mdm_count_store().
 */
void ngx_mdm_count_read(ngx_shm_zone_t *zone, ngx_uint_t used,
    ngx_mdm_count_t *count);

/*
 * Where this worker notes what is so in it now.  NULL: nothing is counted, or
 * it shares a row with others, and none is free yet.
 */
mdm_metrics_now_t *ngx_mdm_count_noted(void);


/*
 * 1: this worker is the one of the host that does something for the store at
 * this place, which is done every so many seconds
 */
ngx_uint_t ngx_mdm_count_turn(ngx_uint_t place, time_t every);

/*
 * Notes what was read of the store at this place, for all workers.  "turn": 1:
 * by the one that ngx_mdm_count_turn() has said it of, who adds what outboxes
 * have dropped meanwhile to a counter: Redis may forget, a counter must not.
 */
void ngx_mdm_count_gauges(ngx_uint_t place, const mdm_gauges_t *gauges,
    ngx_uint_t turn);


/* declares the zone; NULL: it has said why */
ngx_shm_zone_t *ngx_mdm_count_zone(ngx_conf_t *cf, size_t size);

/* takes a row for this worker, and gives it back; zone may be NULL */
void ngx_mdm_count_init_process(ngx_shm_zone_t *zone);
void ngx_mdm_count_exit_process(void);


#endif /* _NGX_MDM_COUNT_H_INCLUDED_ */
