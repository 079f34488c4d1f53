
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What is counted, and how Prometheus reads it (text format 0.0.4).  A worker
 * adds to a row of counters; a scrape adds the rows.  Label values come from
 * fixed lists and from the configuration, so their number is bounded: what is
 * in no list is "other", the last value of each.
 */


#ifndef _MDM_METRICS_H_INCLUDED_
#define _MDM_METRICS_H_INCLUDED_


#include "mdm_exchange.h"


/* the type of nginx's atomic counters */
typedef volatile unsigned long  mdm_counter_t;


/* the longest text of a scrape, with any label values */
#define MDM_METRICS_TEXT      200000

#define MDM_METRICS_MESSAGES  12
#define MDM_METRICS_CODES     18
#define MDM_METRICS_CONNECTS  7
#define MDM_METRICS_TYPES     128          /* RequestTypes, with "other" */
#define MDM_METRICS_STATES    7
#define MDM_METRICS_KINDS     5
#define MDM_METRICS_OUTCOMES  19
#define MDM_METRICS_REASONS   9
#define MDM_METRICS_STORES    8            /* with "other" */
#define MDM_METRICS_TOPICS    100
#define MDM_METRICS_WORKS     16           /* kinds of work */
#define MDM_METRICS_WEBHOOKS  16           /* with "other" */
#define MDM_METRICS_DELIVERIES  10

/* bytes of the name of a store or a webhook, of a topic, of the name of a kind
   of work */
#define MDM_METRICS_NAME      64
#define MDM_METRICS_TOPIC     104
#define MDM_METRICS_WORK      24

#define MDM_METRICS_BUCKETS   13           /* with that of +Inf */


/* what became of a command, by the place in "commands" */

enum {
    MDM_METRICS_QUEUED = 0,
    MDM_METRICS_SENT,
    MDM_METRICS_ACKNOWLEDGED,
    MDM_METRICS_ERROR,
    MDM_METRICS_FORMAT_ERROR,
    MDM_METRICS_NOT_NOW,
    MDM_METRICS_UNREADABLE
};


/* each value is counted once, in the bucket that it belongs to */

typedef struct {
    mdm_counter_t             bucket[MDM_METRICS_BUCKETS];
    mdm_counter_t             sum;         /* ms */
} mdm_histogram_t;


/* of a store */

typedef struct {
    mdm_counter_t             calls;       /* accepted */
    mdm_counter_t             replies;
    mdm_counter_t             flushes;     /* turns with something to send */
    mdm_counter_t             sends;       /* writes to a socket */
    mdm_counter_t             evals;       /* calls sent again by EVAL */
    mdm_counter_t             retries;     /* calls sent again on a new
                                              connection */
    mdm_counter_t             redirects;   /* MOVED and ASK */
    mdm_counter_t             tryagain;    /* calls that met a slot on its way
                                              from one node to another */
    mdm_counter_t             connects;    /* connections that came up */

    /* redis_errors_total, in the order of its kinds */

    mdm_counter_t             refused;     /* calls refused at once, or when the
                                              server went down */
    mdm_counter_t             timeouts;
    mdm_counter_t             unavailable; /* LOADING, READONLY, OOM … */
    mdm_counter_t             errors;      /* other errors of a script */
    mdm_counter_t             unconfirmed; /* batches too few replicas have */

    mdm_histogram_t           duration;    /* of calls that were answered */
} mdm_metrics_store_t;


/* of a webhook */

typedef struct {
    mdm_counter_t             deliveries[MDM_METRICS_DELIVERIES];
    mdm_counter_t             lost;        /* events without their result */
    mdm_histogram_t           duration;    /* of attempts */
} mdm_metrics_webhook_t;


/* what became of events, behind what can become of an attempt */

enum {
    MDM_METRICS_DEAD = MDM_METRICS_DELIVERIES - 2,
    MDM_METRICS_DROPPED
};


/* a row: counters only */

typedef struct {
    mdm_counter_t             messages[MDM_METRICS_MESSAGES]
                                      [MDM_METRICS_CODES];
    mdm_counter_t             connects[MDM_METRICS_CONNECTS];
    mdm_counter_t             commands[MDM_METRICS_TYPES][MDM_METRICS_STATES];
    mdm_histogram_t           requests[MDM_METRICS_KINDS];
    mdm_histogram_t           answers;     /* of commands, since queued */
    mdm_counter_t             pushes[MDM_METRICS_OUTCOMES];
    mdm_histogram_t           push_duration;
    mdm_histogram_t           push_delay;  /* owed to taken */
    mdm_counter_t             goaways[MDM_METRICS_REASONS];
    mdm_counter_t             dropped;     /* by outboxes, as Redis has told
                                              this host */
    mdm_metrics_webhook_t     webhooks[MDM_METRICS_WEBHOOKS];
    mdm_metrics_store_t       stores[MDM_METRICS_STORES];
} mdm_metrics_row_t;

#define MDM_METRICS_CELLS                                                     \
    (sizeof(mdm_metrics_row_t) / sizeof(mdm_counter_t))


/* what is so now in a worker */

typedef struct {
    mdm_counter_t             push_connections;
    mdm_counter_t             push_streams;
    mdm_counter_t             up[MDM_METRICS_STORES];    /* 1: it can be
                                              called; 2: it cannot */
} mdm_metrics_now_t;


/* of what lives in Redis, as it was last read */

typedef struct {
    size_t                    len;
    u_char                    data[MDM_METRICS_TOPIC];
    unsigned long             not_after;   /* Unix seconds; 0: not known */
    unsigned long             stopped;     /* 1: APNs takes no pushes of it */
} mdm_gauges_topic_t;

typedef struct {
    size_t                    len;         /* of its name */
    u_char                    data[MDM_METRICS_WORK];
    unsigned long             late;        /* ms */
} mdm_gauges_work_t;

typedef struct {
    size_t                    len;         /* of its name */
    u_char                    data[MDM_METRICS_NAME];
    unsigned long             lag;         /* events not acknowledged */
    unsigned long             oldest;      /* ms that one of them waits */
} mdm_gauges_hook_t;

typedef struct {
    unsigned long             read;        /* Unix seconds; 0: nothing was */
    unsigned long             owed;        /* channels that are owed a push */
    unsigned long             oldest;      /* ms that one of them waits */
    unsigned long             dead;        /* channels whose token is */
    unsigned long             enrollments;
    mdm_gauges_work_t         works[MDM_METRICS_WORKS];
    mdm_gauges_topic_t        topics[MDM_METRICS_TOPICS];
    mdm_uint_t                ntopics;
    unsigned long             events;      /* in all outboxes */
    unsigned long             full;        /* thousandths of its limit, of the
                                              fullest one */
    unsigned long             dropped;     /* that had to go, in all */
    mdm_gauges_hook_t         hooks[MDM_METRICS_WEBHOOKS];
    mdm_uint_t                nhooks;
} mdm_gauges_t;


/* which limits a histogram has */

typedef enum {
    MDM_METRICS_SHORT = 0,       /* a millisecond to seconds */
    MDM_METRICS_LONG             /* a second to a week */
} mdm_metrics_limits_e;


/* indexes of lists; what is not in one is "other" */

/* of a MessageType, "Connect" or "auth" */
mdm_uint_t mdm_metrics_message(const mdm_str_t *name);

/* of an HTTP status */
mdm_uint_t mdm_metrics_code(mdm_uint_t status);

/* of the Status of a connect, as mdm_report_status() has it */
mdm_uint_t mdm_metrics_connect(const mdm_str_t *status);

/* the state of a command that was answered with it */
mdm_uint_t mdm_metrics_state(const mdm_str_t *status);

/* of a request; MDM_METRICS_KINDS: it is of no kind that is timed */
mdm_uint_t mdm_metrics_kind(mdm_kind_e kind);

/* of a RequestType of Apple's schema */
mdm_uint_t mdm_metrics_type(const mdm_str_t *request_type);

/* of a GOAWAY of APNs */
mdm_uint_t mdm_metrics_goaway(const mdm_str_t *reason);

/* of what became of a push; the status is that of an answer */
mdm_uint_t mdm_metrics_push(mdm_push_e outcome, mdm_uint_t status);

/* of what became of an attempt to send an event to a webhook */
mdm_uint_t mdm_metrics_delivery(const mdm_http_t *http);

/* the bucket of a number of milliseconds */
mdm_uint_t mdm_metrics_bucket(mdm_metrics_limits_e limits, uint64_t ms);


/* the lists, for who writes them */

typedef enum {
    MDM_METRICS_LIST_NONE = 0,
    MDM_METRICS_LIST_MESSAGES,
    MDM_METRICS_LIST_CODES,
    MDM_METRICS_LIST_CONNECTS,
    MDM_METRICS_LIST_TYPES,
    MDM_METRICS_LIST_STATES,
    MDM_METRICS_LIST_KINDS,
    MDM_METRICS_LIST_OUTCOMES,
    MDM_METRICS_LIST_REASONS,
    MDM_METRICS_LIST_ERRORS,     /* of Redis */
    MDM_METRICS_LIST_DELIVERIES,

    /* of the configuration: in no list here */
    MDM_METRICS_LIST_STORES,
    MDM_METRICS_LIST_WEBHOOKS
} mdm_metrics_list_e;

/* its value i; empty: there are fewer */
mdm_str_t mdm_metrics_value(mdm_metrics_list_e list, mdm_uint_t i);

/* the limits of a histogram, ms, MDM_METRICS_BUCKETS - 1 of them */
const uint64_t *mdm_metrics_limits(mdm_metrics_limits_e limits);


/* mdm_metrics_text.c */

typedef struct {
    size_t                    len;
    u_char                    data[MDM_METRICS_NAME];
} mdm_metrics_name_t;


/* what a scrape has read */

typedef struct {
    const mdm_metrics_row_t  *sums;
    const mdm_metrics_now_t  *now;         /* of all workers */
    const mdm_metrics_name_t *stores;      /* names, by their place */
    mdm_uint_t                nstores;
    const mdm_metrics_name_t *webhooks;    /* the same; empty: there is none */
    mdm_uint_t                nwebhooks;
    const mdm_gauges_t       *gauges;      /* of all stores */
    unsigned long             time;        /* Unix seconds */
    const char               *server;      /* the version of nginx */
} mdm_metrics_t;

typedef struct {
    u_char                   *data;        /* MDM_METRICS_TEXT bytes */
    size_t                    len;
    mdm_uint_t                cut;         /* 1: there was more */
} mdm_metrics_out_t;


/*
 * Adds what is so in one store to what is so in others: sums, what waits
 * longest, the oldest reading of all that there are.
 */
void mdm_gauges_merge(mdm_gauges_t *to, const mdm_gauges_t *from);

/* one more topic, or what it is elsewhere; those that have no room: "other" */
void mdm_gauges_topic_add(mdm_gauges_t *to, const mdm_gauges_topic_t *topic);

/* the same of a webhook */
void mdm_gauges_hook_add(mdm_gauges_t *to, const mdm_gauges_hook_t *hook);

/* writes counters, and what is so now */
void mdm_metrics_write(mdm_metrics_out_t *out, const mdm_metrics_t *metrics);


#endif /* _MDM_METRICS_H_INCLUDED_ */
