
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Metrics as text: a table of families, and what writes one.
 */


#include "mdm_metrics.h"


#define MDM_METRICS_PREFIX    "nginx_mdm_"

/* decimal digits of a number, at most */
#define MDM_METRICS_DIGITS    20

/* labels and their values, of one line */
#define MDM_METRICS_LABELS    512


typedef enum {
    MDM_METRICS_COUNTER = 0,
    MDM_METRICS_HISTOGRAM
} mdm_metrics_type_e;


/* counters in a row: one, or an array by a list or by two of them */

typedef struct {
    const char               *name;
    const char               *help;
    mdm_metrics_type_e        type;
    mdm_metrics_limits_e      limits;      /* of a histogram */
    size_t                    offset;      /* of the first one */

    struct {
        const char           *label;       /* NULL: no such list */
        mdm_metrics_list_e    list;
        mdm_uint_t            n;
        size_t                stride;
    } by[2];
} mdm_metrics_family_t;


/* the labels of a line, as far as they are known */

typedef struct {
    size_t                    len;
    u_char                    data[MDM_METRICS_LABELS];
} mdm_metrics_labels_t;


static void mdm_metrics_family(mdm_metrics_out_t *out,
    const mdm_metrics_t *metrics, const mdm_metrics_family_t *family);
static mdm_str_t mdm_metrics_named(const mdm_metrics_t *metrics,
    mdm_metrics_list_e list, mdm_uint_t i);
static void mdm_metrics_cell(mdm_metrics_out_t *out,
    const mdm_metrics_family_t *family, const mdm_metrics_labels_t *labels,
    const u_char *cell);
static void mdm_metrics_histogram(mdm_metrics_out_t *out,
    const mdm_metrics_family_t *family, const mdm_metrics_labels_t *labels,
    const mdm_histogram_t *histogram);
static void mdm_metrics_now(mdm_metrics_out_t *out,
    const mdm_metrics_t *metrics);
static void mdm_metrics_gauges(mdm_metrics_out_t *out,
    const mdm_metrics_t *metrics);
static void mdm_metrics_topics(mdm_metrics_out_t *out,
    const mdm_gauges_t *gauges);
static void mdm_metrics_hooks(mdm_metrics_out_t *out,
    const mdm_gauges_t *gauges);
static void mdm_metrics_works(mdm_metrics_out_t *out,
    const mdm_gauges_t *gauges);
static void mdm_metrics_gauge(mdm_metrics_out_t *out, const char *name,
    const char *help, uint64_t value, mdm_uint_t ms);
static void mdm_metrics_build(mdm_metrics_out_t *out,
    const mdm_metrics_t *metrics);
static u_char *mdm_metrics_copy(u_char *p, const void *data, size_t len);
static void mdm_metrics_head(mdm_metrics_out_t *out, const char *name,
    const char *help, const char *type);
static void mdm_metrics_label(mdm_metrics_labels_t *labels, const char *name,
    const mdm_str_t *value);
static void mdm_metrics_line(mdm_metrics_out_t *out, const char *name,
    const char *suffix, const mdm_metrics_labels_t *labels,
    const char *le, uint64_t value, mdm_uint_t ms);
static size_t mdm_metrics_seconds(char *p, uint64_t ms);
static size_t mdm_metrics_number(char *p, uint64_t value);


#define mdm_metrics_offset(field)  offsetof(mdm_metrics_row_t, field)

#define MDM_METRICS_NO_LIST   { NULL, MDM_METRICS_LIST_NONE, 1, 0 }

#define mdm_metrics_stores(field)                                             \
    offsetof(mdm_metrics_row_t, stores) + offsetof(mdm_metrics_store_t, field)

#define mdm_metrics_webhooks(field)                                           \
    offsetof(mdm_metrics_row_t, webhooks)                                     \
    + offsetof(mdm_metrics_webhook_t, field)

#define MDM_METRICS_BY_WEBHOOK                                                \
    { "webhook", MDM_METRICS_LIST_WEBHOOKS, MDM_METRICS_WEBHOOKS,             \
      sizeof(mdm_metrics_webhook_t) }

#define MDM_METRICS_BY_STORE                                                  \
    { "store", MDM_METRICS_LIST_STORES, MDM_METRICS_STORES,                   \
      sizeof(mdm_metrics_store_t) }


static const mdm_metrics_family_t  mdm_metrics_families[] = {

    { "messages_total", "Messages of devices that were answered.",
      MDM_METRICS_COUNTER, MDM_METRICS_SHORT, mdm_metrics_offset(messages),
      { { "message", MDM_METRICS_LIST_MESSAGES, MDM_METRICS_MESSAGES,
          MDM_METRICS_CODES * sizeof(mdm_counter_t) },
        { "code", MDM_METRICS_LIST_CODES, MDM_METRICS_CODES,
          sizeof(mdm_counter_t) } } },

    { "connects_total", "Connects, by the Status that the device sent.",
      MDM_METRICS_COUNTER, MDM_METRICS_SHORT, mdm_metrics_offset(connects),
      { { "status", MDM_METRICS_LIST_CONNECTS, MDM_METRICS_CONNECTS,
          sizeof(mdm_counter_t) },
        MDM_METRICS_NO_LIST } },

    { "commands_total", "Commands that were queued, sent and answered.",
      MDM_METRICS_COUNTER, MDM_METRICS_SHORT, mdm_metrics_offset(commands),
      { { "request_type", MDM_METRICS_LIST_TYPES, MDM_METRICS_TYPES,
          MDM_METRICS_STATES * sizeof(mdm_counter_t) },
        { "state", MDM_METRICS_LIST_STATES, MDM_METRICS_STATES,
          sizeof(mdm_counter_t) } } },

    { "command_answer_seconds", "From when a command was queued to when it was "
      "answered.",
      MDM_METRICS_HISTOGRAM, MDM_METRICS_LONG, mdm_metrics_offset(answers),
      { MDM_METRICS_NO_LIST, MDM_METRICS_NO_LIST } },

    { "pushes_total", "Pushes, by what became of them.",
      MDM_METRICS_COUNTER, MDM_METRICS_SHORT, mdm_metrics_offset(pushes),
      { { "outcome", MDM_METRICS_LIST_OUTCOMES, MDM_METRICS_OUTCOMES,
          sizeof(mdm_counter_t) },
        MDM_METRICS_NO_LIST } },

    { "push_duration_seconds", "Until APNs has answered a push.",
      MDM_METRICS_HISTOGRAM, MDM_METRICS_SHORT,
      mdm_metrics_offset(push_duration),
      { MDM_METRICS_NO_LIST, MDM_METRICS_NO_LIST } },

    { "push_delay_seconds", "From when a push is owed to when APNs has taken "
      "it.",
      MDM_METRICS_HISTOGRAM, MDM_METRICS_LONG, mdm_metrics_offset(push_delay),
      { MDM_METRICS_NO_LIST, MDM_METRICS_NO_LIST } },

    { "push_goaways_total", "Connections that APNs has ended.",
      MDM_METRICS_COUNTER, MDM_METRICS_SHORT, mdm_metrics_offset(goaways),
      { { "reason", MDM_METRICS_LIST_REASONS, MDM_METRICS_REASONS,
          sizeof(mdm_counter_t) },
        MDM_METRICS_NO_LIST } },

    { "request_duration_seconds", "From the first byte of a request to the "
      "last one of its answer.",
      MDM_METRICS_HISTOGRAM, MDM_METRICS_SHORT, mdm_metrics_offset(requests),
      { { "kind", MDM_METRICS_LIST_KINDS, MDM_METRICS_KINDS,
          sizeof(mdm_histogram_t) },
        MDM_METRICS_NO_LIST } },

    { "webhook_deliveries_total", "Attempts to send an event to a webhook, and "
      "events that were given up.",
      MDM_METRICS_COUNTER, MDM_METRICS_SHORT, mdm_metrics_webhooks(deliveries),
      { MDM_METRICS_BY_WEBHOOK,
        { "outcome", MDM_METRICS_LIST_DELIVERIES, MDM_METRICS_DELIVERIES,
          sizeof(mdm_counter_t) } } },

    { "webhook_duration_seconds", "Until an attempt has its answer, or has "
      "failed.",
      MDM_METRICS_HISTOGRAM, MDM_METRICS_SHORT, mdm_metrics_webhooks(duration),
      { MDM_METRICS_BY_WEBHOOK, MDM_METRICS_NO_LIST } },

    { "webhook_results_lost_total", "Events that were taken without a result "
      "that was not there any more.",
      MDM_METRICS_COUNTER, MDM_METRICS_SHORT, mdm_metrics_webhooks(lost),
      { MDM_METRICS_BY_WEBHOOK, MDM_METRICS_NO_LIST } },

    { "outbox_dropped_total", "Events that had to go before all had them.",
      MDM_METRICS_COUNTER, MDM_METRICS_SHORT, mdm_metrics_offset(dropped),
      { MDM_METRICS_NO_LIST, MDM_METRICS_NO_LIST } },

    { "redis_calls_total", "Script calls that were made.",
      MDM_METRICS_COUNTER, MDM_METRICS_SHORT, mdm_metrics_stores(calls),
      { MDM_METRICS_BY_STORE, MDM_METRICS_NO_LIST } },

    { "redis_errors_total", "Script calls that failed.",
      MDM_METRICS_COUNTER, MDM_METRICS_SHORT, mdm_metrics_stores(refused),
      { MDM_METRICS_BY_STORE,
        { "kind", MDM_METRICS_LIST_ERRORS, 5, sizeof(mdm_counter_t) } } },

    { "redis_call_duration_seconds", "From the call of a script to its reply.",
      MDM_METRICS_HISTOGRAM, MDM_METRICS_SHORT, mdm_metrics_stores(duration),
      { MDM_METRICS_BY_STORE, MDM_METRICS_NO_LIST } }
};

#define MDM_METRICS_FAMILIES                                                  \
    (sizeof(mdm_metrics_families) / sizeof(mdm_metrics_family_t))


void
mdm_metrics_write(mdm_metrics_out_t *out, const mdm_metrics_t *metrics)
{
    mdm_uint_t  i;

    out->len = 0;
    out->cut = 0;

    for (i = 0; i < MDM_METRICS_FAMILIES; i++) {
        mdm_metrics_family(out, metrics, &mdm_metrics_families[i]);
    }

    mdm_metrics_now(out, metrics);
    mdm_metrics_gauges(out, metrics);
    mdm_metrics_build(out, metrics);
}


static void
mdm_metrics_family(mdm_metrics_out_t *out, const mdm_metrics_t *metrics,
    const mdm_metrics_family_t *family)
{
    mdm_str_t             value;
    mdm_uint_t            i, k;
    const u_char         *cell;
    mdm_metrics_labels_t  labels;

    mdm_metrics_head(out, family->name, family->help,
                     (family->type == MDM_METRICS_HISTOGRAM) ? "histogram"
                                                             : "counter");

    for (i = 0; i < family->by[0].n; i++) {

        for (k = 0; k < family->by[1].n; k++) {

            labels.len = 0;

            if (family->by[0].label != NULL) {
                value = mdm_metrics_named(metrics, family->by[0].list, i);

                if (value.len == 0) {
                    break;
                }

                mdm_metrics_label(&labels, family->by[0].label, &value);
            }

            cell = (const u_char *) metrics->sums + family->offset
                   + i * family->by[0].stride + k * family->by[1].stride;

            if (family->by[1].label != NULL) {

                /* most pairs never come; an alert must see the first one */

                if (family->by[1].list != MDM_METRICS_LIST_ERRORS
                    && family->by[1].list != MDM_METRICS_LIST_DELIVERIES
                    && *(const mdm_counter_t *) cell == 0)
                {
                    continue;
                }

                value = mdm_metrics_value(family->by[1].list, k);

                mdm_metrics_label(&labels, family->by[1].label, &value);
            }

            mdm_metrics_cell(out, family, &labels, cell);
        }
    }
}


static mdm_str_t
mdm_metrics_named(const mdm_metrics_t *metrics, mdm_metrics_list_e list,
    mdm_uint_t i)
{
    mdm_str_t                  s;
    const mdm_metrics_name_t  *name;

    switch (list) {

    case MDM_METRICS_LIST_STORES:
        name = (i < metrics->nstores) ? &metrics->stores[i] : NULL;
        break;

    case MDM_METRICS_LIST_WEBHOOKS:
        name = (i < metrics->nwebhooks) ? &metrics->webhooks[i] : NULL;
        break;

    default:
        return mdm_metrics_value(list, i);
    }

    mdm_str_null(&s);

    if (name != NULL) {
        s.data = (u_char *) (uintptr_t) name->data;
        s.len = name->len;
    }

    return s;
}


static void
mdm_metrics_cell(mdm_metrics_out_t *out, const mdm_metrics_family_t *family,
    const mdm_metrics_labels_t *labels, const u_char *cell)
{
    if (family->type == MDM_METRICS_HISTOGRAM) {
        mdm_metrics_histogram(out, family, labels,
                              (const mdm_histogram_t *) cell);
        return;
    }

    mdm_metrics_line(out, family->name, "", labels, NULL,
                     *(const mdm_counter_t *) cell, 0);
}


/* those of Prometheus count all below a limit */

static void
mdm_metrics_histogram(mdm_metrics_out_t *out,
    const mdm_metrics_family_t *family, const mdm_metrics_labels_t *labels,
    const mdm_histogram_t *histogram)
{
    char             le[MDM_METRICS_DIGITS + 5];
    uint64_t         count;
    mdm_uint_t       i;
    const uint64_t  *limits;

    count = 0;
    limits = mdm_metrics_limits(family->limits);

    for (i = 0; i < MDM_METRICS_BUCKETS; i++) {
        count += histogram->bucket[i];

        if (i == MDM_METRICS_BUCKETS - 1) {
            strcpy(le, "+Inf");

        } else {
            le[mdm_metrics_seconds(le, limits[i])] = '\0';
        }

        mdm_metrics_line(out, family->name, "_bucket", labels, le, count, 0);
    }

    mdm_metrics_line(out, family->name, "_sum", labels, NULL, histogram->sum,
                     1);
    mdm_metrics_line(out, family->name, "_count", labels, NULL, count, 0);
}


static void
mdm_metrics_now(mdm_metrics_out_t *out, const mdm_metrics_t *metrics)
{
    mdm_str_t             value;
    mdm_uint_t            i;
    mdm_metrics_labels_t  labels;

    mdm_metrics_gauge(out, "push_connections", "Connections to APNs.",
                      metrics->now->push_connections, 0);
    mdm_metrics_gauge(out, "push_streams", "Pushes under way on them.",
                      metrics->now->push_streams, 0);

    mdm_metrics_head(out, "redis_up", "1: every worker can call the store.",
                     "gauge");

    for (i = 0; i < metrics->nstores; i++) {

        if (metrics->now->up[i] == 0) {
            continue;
        }

        value = mdm_metrics_named(metrics, MDM_METRICS_LIST_STORES, i);

        labels.len = 0;
        mdm_metrics_label(&labels, "store", &value);

        mdm_metrics_line(out, "redis_up", "", &labels, NULL,
                         metrics->now->up[i] == 1, 0);
    }
}


/* what was never read has no value: 0 would be one */

static void
mdm_metrics_gauges(mdm_metrics_out_t *out, const mdm_metrics_t *metrics)
{
    unsigned long        age;
    const mdm_gauges_t  *gauges;

    gauges = metrics->gauges;

    if (gauges->read != 0) {
        mdm_metrics_gauge(out, "push_owed", "Channels with commands that wait, "
                          "which are pushed to.", gauges->owed, 0);
        mdm_metrics_gauge(out, "push_owed_oldest_seconds", "For how long a "
                          "push is owed that APNs has not taken.",
                          gauges->oldest, 1);
        mdm_metrics_gauge(out, "push_dead", "Channels whose push token is not "
                          "valid any more.", gauges->dead, 0);
        mdm_metrics_gauge(out, "enrollments", "Enrollments that there are.",
                          gauges->enrollments, 0);
        mdm_metrics_gauge(out, "outbox_events", "Events that outboxes hold.",
                          gauges->events, 0);
        mdm_metrics_gauge(out, "outbox_fill_ratio", "What part of its limit "
                          "the fullest outbox has.", gauges->full, 1);

        mdm_metrics_hooks(out, gauges);

        age = (metrics->time > gauges->read) ? metrics->time - gauges->read
                                             : 0;

        mdm_metrics_gauge(out, "gauges_age_seconds", "Since the oldest of "
                          "what lives in Redis was read.", age, 0);
    }

    mdm_metrics_topics(out, gauges);
    mdm_metrics_works(out, gauges);
}


static void
mdm_metrics_gauge(mdm_metrics_out_t *out, const char *name, const char *help,
    uint64_t value, mdm_uint_t ms)
{
    mdm_metrics_labels_t  labels;

    labels.len = 0;

    mdm_metrics_head(out, name, help, "gauge");
    mdm_metrics_line(out, name, "", &labels, NULL, value, ms);
}


static void
mdm_metrics_topics(mdm_metrics_out_t *out, const mdm_gauges_t *gauges)
{
    mdm_str_t                  value;
    mdm_uint_t                 i, k;
    const mdm_gauges_topic_t  *topic;
    mdm_metrics_labels_t       labels;

    static const char *const  names[] = {
        "push_topic_stopped", "push_certificate_expiry_timestamp_seconds"
    };

    static const char *const  helps[] = {
        "1: APNs takes no pushes of the topic.",
        "When the push certificate of the topic ends."
    };

    for (k = 0; k < 2 && gauges->ntopics != 0; k++) {

        mdm_metrics_head(out, names[k], helps[k], "gauge");

        for (i = 0; i < gauges->ntopics; i++) {
            topic = &gauges->topics[i];

            if (k == 1 && topic->not_after == 0) {
                continue;
            }

            value.data = (u_char *) (uintptr_t) topic->data;
            value.len = topic->len;

            labels.len = 0;
            mdm_metrics_label(&labels, "topic", &value);

            mdm_metrics_line(out, names[k], "", &labels, NULL,
                             (k == 0) ? topic->stopped : topic->not_after, 0);
        }
    }
}


static void
mdm_metrics_hooks(mdm_metrics_out_t *out, const mdm_gauges_t *gauges)
{
    mdm_str_t                 value;
    mdm_uint_t                i, k;
    const mdm_gauges_hook_t  *hook;
    mdm_metrics_labels_t      labels;

    static const char *const  names[] = {
        "webhook_lag_events", "webhook_lag_seconds"
    };

    static const char *const  helps[] = {
        "Events that the webhook has not acknowledged.",
        "For how long the first of them waits."
    };

    for (k = 0; k < 2 && gauges->nhooks != 0; k++) {

        mdm_metrics_head(out, names[k], helps[k], "gauge");

        for (i = 0; i < gauges->nhooks && i < MDM_METRICS_WEBHOOKS; i++) {
            hook = &gauges->hooks[i];

            value.data = (u_char *) (uintptr_t) hook->data;
            value.len = hook->len;

            labels.len = 0;
            mdm_metrics_label(&labels, "webhook", &value);

            mdm_metrics_line(out, names[k], "", &labels, NULL,
                             (k == 0) ? hook->lag : hook->oldest, k);
        }
    }
}


static void
mdm_metrics_works(mdm_metrics_out_t *out, const mdm_gauges_t *gauges)
{
    mdm_str_t                 value;
    mdm_uint_t                i;
    const mdm_gauges_work_t  *work;
    mdm_metrics_labels_t      labels;

    if (gauges->works[0].len == 0) {
        return;
    }

    mdm_metrics_head(out, "work_age_seconds", "How late the work is that waits "
                     "longest.", "gauge");

    for (i = 0; i < MDM_METRICS_WORKS; i++) {
        work = &gauges->works[i];

        if (work->len == 0) {
            break;
        }

        value.data = (u_char *) (uintptr_t) work->data;
        value.len = work->len;

        labels.len = 0;
        mdm_metrics_label(&labels, "kind", &value);

        mdm_metrics_line(out, "work_age_seconds", "", &labels, NULL,
                         work->late, 1);
    }
}


static void
mdm_metrics_build(mdm_metrics_out_t *out, const mdm_metrics_t *metrics)
{
    mdm_str_t             value;
    mdm_metrics_labels_t  labels;

    mdm_metrics_head(out, "build_info", "The versions of the module and of "
                     "nginx.", "gauge");

    labels.len = 0;

    mdm_str_set(&value, MDM_VERSION);
    mdm_metrics_label(&labels, "version", &value);

    value.data = (u_char *) (uintptr_t) metrics->server;
    value.len = strlen(metrics->server);
    mdm_metrics_label(&labels, "nginx", &value);

    mdm_metrics_line(out, "build_info", "", &labels, NULL, 1, 0);
}


static u_char *
mdm_metrics_copy(u_char *p, const void *data, size_t len)
{
    memcpy(p, data, len);

    return p + len;
}


static void
mdm_metrics_head(mdm_metrics_out_t *out, const char *name, const char *help,
    const char *type)
{
    u_char  *p;
    size_t   n;

    n = strlen(name);

    if (MDM_METRICS_TEXT - out->len
        < sizeof("# HELP \n# TYPE \n") + 2 * (sizeof(MDM_METRICS_PREFIX) + n)
          + strlen(help) + strlen(type) + 2)
    {
        out->cut = 1;
        return;
    }

    p = out->data + out->len;

    p = mdm_metrics_copy(p, "# HELP " MDM_METRICS_PREFIX,
                         sizeof("# HELP " MDM_METRICS_PREFIX) - 1);
    p = mdm_metrics_copy(p, name, n);
    *p++ = ' ';
    p = mdm_metrics_copy(p, help, strlen(help));

    p = mdm_metrics_copy(p, "\n# TYPE " MDM_METRICS_PREFIX,
                         sizeof("\n# TYPE " MDM_METRICS_PREFIX) - 1);
    p = mdm_metrics_copy(p, name, n);
    *p++ = ' ';
    p = mdm_metrics_copy(p, type, strlen(type));
    *p++ = '\n';

    out->len = (size_t) (p - out->data);
}


/* one more label; a value that has no room is cut, and no value has a control
   character */

static void
mdm_metrics_label(mdm_metrics_labels_t *labels, const char *name,
    const mdm_str_t *value)
{
    size_t   i, n;
    u_char  *p, *last;

    n = strlen(name);

    p = labels->data + labels->len;
    last = labels->data + MDM_METRICS_LABELS - 4;

    if ((size_t) (last - p) < n + 4) {
        return;
    }

    if (labels->len != 0) {
        *p++ = ',';
    }

    p = mdm_metrics_copy(p, name, n);
    *p++ = '=';
    *p++ = '"';

    for (i = 0; i < value->len && p < last; i++) {

        if (value->data[i] == '"' || value->data[i] == '\\') {
            *p++ = '\\';
        }

        *p++ = value->data[i];
    }

    *p++ = '"';

    labels->len = (size_t) (p - labels->data);
}


/* ms: the value is one of milliseconds, and written as seconds */

static void
mdm_metrics_line(mdm_metrics_out_t *out, const char *name, const char *suffix,
    const mdm_metrics_labels_t *labels, const char *le, uint64_t value,
    mdm_uint_t ms)
{
    u_char  *p;
    size_t   n, nsuffix, nle;

    n = strlen(name);
    nsuffix = strlen(suffix);
    nle = (le != NULL) ? strlen(le) : 0;

    if (MDM_METRICS_TEXT - out->len
        < sizeof(MDM_METRICS_PREFIX) + n + nsuffix + labels->len
          + sizeof("{,le=\"\"} \n") + nle + MDM_METRICS_DIGITS + 5)
    {
        out->cut = 1;
        return;
    }

    p = out->data + out->len;

    p = mdm_metrics_copy(p, MDM_METRICS_PREFIX,
                         sizeof(MDM_METRICS_PREFIX) - 1);
    p = mdm_metrics_copy(p, name, n);
    p = mdm_metrics_copy(p, suffix, nsuffix);

    if (labels->len != 0 || le != NULL) {
        *p++ = '{';
        p = mdm_metrics_copy(p, labels->data, labels->len);

        if (le != NULL) {

            if (labels->len != 0) {
                *p++ = ',';
            }

            p = mdm_metrics_copy(p, "le=\"", sizeof("le=\"") - 1);
            p = mdm_metrics_copy(p, le, nle);
            *p++ = '"';
        }

        *p++ = '}';
    }

    *p++ = ' ';
    p += ms ? mdm_metrics_seconds((char *) p, value)
            : mdm_metrics_number((char *) p, value);
    *p++ = '\n';

    out->len = (size_t) (p - out->data);
}


/* how many bytes were written: no zeroes at the end */

static size_t
mdm_metrics_seconds(char *p, uint64_t ms)
{
    size_t    n;
    uint64_t  part;

    n = mdm_metrics_number(p, ms / 1000);
    part = ms % 1000;

    if (part == 0) {
        return n;
    }

    p[n++] = '.';

    p[n++] = (char) ('0' + part / 100);
    p[n++] = (char) ('0' + part / 10 % 10);
    p[n++] = (char) ('0' + part % 10);

    while (p[n - 1] == '0') {
        n--;
    }

    return n;
}


static size_t
mdm_metrics_number(char *p, uint64_t value)
{
    char    digits[MDM_METRICS_DIGITS];
    size_t  i, n;

    n = 0;

    do {
        digits[n++] = (char) ('0' + value % 10);
        value /= 10;
    } while (value != 0);

    for (i = 0; i < n; i++) {
        p[i] = digits[n - 1 - i];
    }

    return n;
}
