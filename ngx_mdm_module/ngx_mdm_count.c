
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The shared memory zone of metrics: rows, and who has them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_mdm_count.h"
#include "ngx_mdm.h"


#define NGX_MDM_COUNT_FREE    0
#define NGX_MDM_COUNT_TAKEN   1            /* its name is being written */
#define NGX_MDM_COUNT_NAMED   2


/* a cache line each begins on its own, so that workers do not meet there */

typedef struct {
    ngx_atomic_t              owner;       /* pid; 0: nobody */
    mdm_metrics_now_t         now;         /* of the owner */
    u_char                    pad[NGX_CPU_CACHE_LINE];
    mdm_metrics_row_t         row;
} ngx_mdm_count_row_t;


typedef struct {
    ngx_atomic_t              state;
    mdm_metrics_name_t        name;
} ngx_mdm_count_name_t;


/*
 * What was read of a store.  It is written where nobody reads it, and then
 * said where it is: whoever reads takes the last one that is whole, unless it
 * takes him longer than from one reading of Redis to the next.
 */

typedef struct {
    ngx_atomic_t              turn;        /* Unix seconds: the next one */
    ngx_atomic_t              last;        /* 0 or 1 */
    ngx_atomic_t              dropped;     /* that Redis told of, and 1 */
    mdm_gauges_t              gauges[2];
} ngx_mdm_count_gauges_t;


/* the zone's data */

typedef struct {
    ngx_uint_t                nrows;       /* and one more, see below */
    ngx_atomic_t              top;         /* no row from here on was taken */
    ngx_mdm_count_gauges_t    gauges[MDM_METRICS_STORES];
    ngx_mdm_count_name_t      stores[MDM_METRICS_STORES - 1];
    ngx_mdm_count_name_t      webhooks[MDM_METRICS_WEBHOOKS - 1];
    ngx_mdm_count_row_t       rows[1];
} ngx_mdm_count_zone_t;


static ngx_int_t ngx_mdm_count_init_zone(ngx_shm_zone_t *zone, void *data);
static ngx_mdm_count_row_t *ngx_mdm_count_take(void);
static void ngx_mdm_count_add_row(ngx_mdm_count_t *count,
    ngx_mdm_count_row_t *row);
static ngx_uint_t ngx_mdm_count_alive(ngx_atomic_uint_t pid);
static ngx_uint_t ngx_mdm_count_place(ngx_mdm_count_name_t *slots,
    ngx_uint_t n, ngx_str_t *name);
static ngx_uint_t ngx_mdm_count_same(ngx_mdm_count_name_t *slot,
    ngx_str_t *name);
static void ngx_mdm_count_names(ngx_mdm_count_name_t *slots, ngx_uint_t n,
    mdm_metrics_name_t *names);
static void ngx_mdm_count_other(mdm_metrics_name_t *name);
static void ngx_mdm_count_dropped(ngx_mdm_count_gauges_t *slot,
    unsigned long dropped);


mdm_metrics_row_t           *ngx_mdm_count_row;
ngx_uint_t                   ngx_mdm_count_shared;

static mdm_metrics_now_t     *ngx_mdm_count_now;
static ngx_mdm_count_zone_t  *ngx_mdm_counts;
static ngx_mdm_count_row_t   *ngx_mdm_count_own;


ngx_shm_zone_t *
ngx_mdm_count_zone(ngx_conf_t *cf, size_t size)
{
    ngx_shm_zone_t  *zone;

    static ngx_str_t  name = ngx_string("mdm_metrics");

    zone = ngx_shared_memory_add(cf, &name, size, &ngx_mdm_module);

    if (zone != NULL) {
        zone->init = ngx_mdm_count_init_zone;
    }

    return zone;
}


/* one of before is taken over, if its size is the same */

static ngx_int_t
ngx_mdm_count_init_zone(ngx_shm_zone_t *zone, void *data)
{
    size_t                 size;
    ngx_uint_t             n;
    ngx_slab_pool_t       *pool;
    ngx_mdm_count_zone_t  *counts;

    if (data != NULL) {
        zone->data = data;
        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (zone->shm.exists) {
        zone->data = pool->data;
        return NGX_OK;
    }

    size = pool->pfree * ngx_pagesize;

    n = (size - offsetof(ngx_mdm_count_zone_t, rows))
        / sizeof(ngx_mdm_count_row_t);

    counts = ngx_slab_calloc(pool, offsetof(ngx_mdm_count_zone_t, rows)
                                   + n * sizeof(ngx_mdm_count_row_t));
    if (counts == NULL) {
        return NGX_ERROR;
    }

    /* the last one is shared by those that find none free */

    counts->nrows = n - 1;

    pool->data = counts;
    zone->data = counts;

    return NGX_OK;
}


void
ngx_mdm_count_init_process(ngx_shm_zone_t *zone)
{
    ngx_mdm_count_row_t  *row;

    if (zone == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return;
    }

    ngx_mdm_counts = zone->data;

    row = ngx_mdm_count_take();

    if (row != NULL) {
        ngx_mdm_count_row = &row->row;
        return;
    }

    /* old workers have them all: the last one is for those that have none */

    row = &ngx_mdm_counts->rows[ngx_mdm_counts->nrows];

    ngx_mdm_count_row = &row->row;
    ngx_mdm_count_shared = 1;
}


/*
 * What counts stays in the row that is shared, as others know where it is: of
 * a row that is free by now, only the part of what is so now is used.
 */

mdm_metrics_now_t *
ngx_mdm_count_noted(void)
{
    if (ngx_mdm_count_now == NULL && ngx_mdm_counts != NULL) {
        (void) ngx_mdm_count_take();
    }

    return ngx_mdm_count_now;
}


static ngx_mdm_count_row_t *
ngx_mdm_count_take(void)
{
    ngx_uint_t            i;
    ngx_atomic_uint_t     owner, top;
    ngx_mdm_count_row_t  *row;

    for (i = 0; i < ngx_mdm_counts->nrows; i++) {
        row = &ngx_mdm_counts->rows[i];
        owner = row->owner;

        if ((owner == 0 || !ngx_mdm_count_alive(owner))
            && ngx_atomic_cmp_set(&row->owner, owner, ngx_pid))
        {
            do {
                top = ngx_mdm_counts->top;
            } while (top <= i
                     && !ngx_atomic_cmp_set(&ngx_mdm_counts->top, top, i + 1));

            ngx_memzero(&row->now, sizeof(mdm_metrics_now_t));

            ngx_mdm_count_own = row;
            ngx_mdm_count_now = &row->now;

            return row;
        }
    }

    return NULL;
}


void
ngx_mdm_count_exit_process(void)
{
    if (ngx_mdm_count_own != NULL) {
        ngx_memzero(&ngx_mdm_count_own->now, sizeof(mdm_metrics_now_t));
        ngx_mdm_count_own->owner = 0;
    }

    ngx_mdm_count_own = NULL;
    ngx_mdm_count_now = NULL;
    ngx_mdm_count_row = NULL;
    ngx_mdm_count_shared = 0;
    ngx_mdm_counts = NULL;
}


static ngx_uint_t
ngx_mdm_count_alive(ngx_atomic_uint_t pid)
{
    return kill((ngx_pid_t) pid, 0) == 0 || ngx_errno != NGX_ESRCH;
}


mdm_metrics_store_t *
ngx_mdm_count_store(ngx_str_t *name, ngx_uint_t *place)
{
    if (ngx_mdm_count_row == NULL) {
        return NULL;
    }

    *place = ngx_mdm_count_place(ngx_mdm_counts->stores,
                                 MDM_METRICS_STORES - 1, name);

    return &ngx_mdm_count_row->stores[*place];
}


mdm_metrics_webhook_t *
ngx_mdm_count_webhook(ngx_str_t *name)
{
    ngx_uint_t  place;

    if (ngx_mdm_count_row == NULL) {
        return NULL;
    }

    place = ngx_mdm_count_place(ngx_mdm_counts->webhooks,
                                MDM_METRICS_WEBHOOKS - 1, name);

    return &ngx_mdm_count_row->webhooks[place];
}


/*
 * The place behind the last one is for those that find none.  Who takes a place
 * and is killed before the name is there, leaves it unused.
 */

static ngx_uint_t
ngx_mdm_count_place(ngx_mdm_count_name_t *slots, ngx_uint_t n, ngx_str_t *name)
{
    ngx_uint_t             i;
    ngx_mdm_count_name_t  *slot;

    if (name->len == 0 || name->len > MDM_METRICS_NAME) {
        return n;
    }

    for (i = 0; i < n; i++) {
        slot = &slots[i];

        if (ngx_mdm_count_same(slot, name)) {
            return i;
        }

        if (!ngx_atomic_cmp_set(&slot->state, NGX_MDM_COUNT_FREE,
                                NGX_MDM_COUNT_TAKEN))
        {
            /* it may just get this name */

            if (ngx_mdm_count_same(slot, name)) {
                return i;
            }

            continue;
        }

        slot->name.len = name->len;
        ngx_memcpy(slot->name.data, name->data, name->len);

        ngx_memory_barrier();

        slot->state = NGX_MDM_COUNT_NAMED;

        return i;
    }

    return n;
}


static ngx_uint_t
ngx_mdm_count_same(ngx_mdm_count_name_t *slot, ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; slot->state == NGX_MDM_COUNT_TAKEN && i < 1000; i++) {
        ngx_cpu_pause();
    }

    ngx_memory_barrier();

    return slot->state == NGX_MDM_COUNT_NAMED
           && slot->name.len == name->len
           && ngx_memcmp(slot->name.data, name->data, name->len) == 0;
}


void
ngx_mdm_count_time(mdm_histogram_t *histogram, mdm_metrics_limits_e limits,
    uint64_t ms)
{
    ngx_mdm_count_add(&histogram->bucket[mdm_metrics_bucket(limits, ms)], 1);

    if (ms != 0) {
        ngx_mdm_count_add(&histogram->sum, ms);
    }
}


void
ngx_mdm_count_read(ngx_shm_zone_t *shm, ngx_uint_t used,
    ngx_mdm_count_t *count)
{
    ngx_uint_t             i, k;
    mdm_counter_t         *cells;
    ngx_mdm_count_zone_t  *zone;

    zone = shm->data;

    ngx_memzero(count, sizeof(ngx_mdm_count_t));

    for (i = 0; i < zone->top; i++) {
        ngx_mdm_count_add_row(count, &zone->rows[i]);
    }

    ngx_mdm_count_add_row(count, &zone->rows[zone->nrows]);

    /* what was read of a store that is gone stays where it is */

    for (i = 0; i < MDM_METRICS_STORES; i++) {

        if (used & ((ngx_uint_t) 1 << i)) {
            mdm_gauges_merge(&count->gauges,
                             &zone->gauges[i].gauges[zone->gauges[i].last
                                                     & 1]);
        }
    }

    ngx_mdm_count_names(zone->stores, MDM_METRICS_STORES - 1, count->stores);
    ngx_mdm_count_names(zone->webhooks, MDM_METRICS_WEBHOOKS - 1,
                        count->webhooks);

    /* the last one is for those that have no place */

    i = MDM_METRICS_STORES - 1;

    if (count->now.up[i] != 0 || count->sums.stores[i].calls != 0) {
        ngx_mdm_count_other(&count->stores[i]);
    }

    count->nstores = MDM_METRICS_STORES;

    i = MDM_METRICS_WEBHOOKS - 1;
    cells = count->sums.webhooks[i].deliveries;

    for (k = 0; k < MDM_METRICS_DELIVERIES; k++) {

        if (cells[k] != 0) {
            ngx_mdm_count_other(&count->webhooks[i]);
        }
    }
}


static void
ngx_mdm_count_names(ngx_mdm_count_name_t *slots, ngx_uint_t n,
    mdm_metrics_name_t *names)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {

        if (slots[i].state == NGX_MDM_COUNT_NAMED) {
            names[i] = slots[i].name;
        }
    }
}


static void
ngx_mdm_count_other(mdm_metrics_name_t *name)
{
    name->len = sizeof("other") - 1;
    ngx_memcpy(name->data, "other", sizeof("other") - 1);
}


/* one that was killed has left what was so in it */

static void
ngx_mdm_count_add_row(ngx_mdm_count_t *count, ngx_mdm_count_row_t *row)
{
    ngx_uint_t          k;
    mdm_counter_t      *sums, *cells;
    ngx_atomic_uint_t   owner;

    sums = (mdm_counter_t *) &count->sums;
    cells = (mdm_counter_t *) &row->row;

    for (k = 0; k < MDM_METRICS_CELLS; k++) {
        sums[k] += cells[k];
    }

    owner = row->owner;

    if (owner == 0 || !ngx_mdm_count_alive(owner)) {
        return;
    }

    count->now.push_connections += row->now.push_connections;
    count->now.push_streams += row->now.push_streams;

    for (k = 0; k < MDM_METRICS_STORES; k++) {
        count->now.up[k] = ngx_max(count->now.up[k], row->now.up[k]);
    }
}


ngx_uint_t
ngx_mdm_count_turn(ngx_uint_t place, time_t every)
{
    ngx_atomic_t       *turn;
    ngx_atomic_uint_t   at, now;

    if (ngx_mdm_counts == NULL) {
        return 0;
    }

    now = (ngx_atomic_uint_t) ngx_time();
    turn = &ngx_mdm_counts->gauges[place].turn;
    at = *turn;

    /* one that is too far ahead is of a clock that was wrong */

    if (at > now && at - now <= (ngx_atomic_uint_t) every) {
        return 0;
    }

    return ngx_atomic_cmp_set(turn, at, now + every);
}


void
ngx_mdm_count_gauges(ngx_uint_t place, const mdm_gauges_t *gauges,
    ngx_uint_t turn)
{
    ngx_uint_t               next;
    ngx_mdm_count_gauges_t  *slot;

    if (ngx_mdm_counts == NULL) {
        return;
    }

    slot = &ngx_mdm_counts->gauges[place];
    next = !(slot->last & 1);

    slot->gauges[next] = *gauges;

    ngx_memory_barrier();

    slot->last = next;

    if (turn) {
        ngx_mdm_count_dropped(slot, gauges->dropped);
    }
}


/*
 * What Redis says first is of before this zone.  It may say less later: when it
 * has lost what it knew, or forgets with the last webhook.
 */

static void
ngx_mdm_count_dropped(ngx_mdm_count_gauges_t *slot, unsigned long dropped)
{
    ngx_atomic_uint_t  before, now;

    before = slot->dropped;
    now = dropped + 1;

    if (now != before && ngx_atomic_cmp_set(&slot->dropped, before, now)
        && before != 0 && now > before)
    {
        ngx_mdm_count(dropped, now - before);
    }
}
