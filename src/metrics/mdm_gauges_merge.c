
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What was read of several stores, as one.
 */


#include "mdm_metrics.h"


static mdm_gauges_topic_t *mdm_gauges_topic_other(mdm_gauges_t *to);
static size_t mdm_gauges_shown(const mdm_gauges_topic_t *topic);
static mdm_uint_t mdm_gauges_hook_find(const mdm_gauges_t *gauges,
    const u_char *name, size_t len);


#define mdm_gauges_larger(to, value)                                          \
    (to) = ((to) > (value)) ? (to) : (value)


void
mdm_gauges_merge(mdm_gauges_t *to, const mdm_gauges_t *from)
{
    mdm_uint_t  i;

    if (from->read != 0 && (to->read == 0 || from->read < to->read)) {
        to->read = from->read;
    }

    to->owed += from->owed;
    to->dead += from->dead;
    to->enrollments += from->enrollments;
    to->events += from->events;
    to->dropped += from->dropped;

    mdm_gauges_larger(to->oldest, from->oldest);
    mdm_gauges_larger(to->full, from->full);

    /* the kinds of work are the same everywhere */

    for (i = 0; i < MDM_METRICS_WORKS; i++) {

        if (from->works[i].len == 0 || from->works[i].len > MDM_METRICS_WORK) {
            break;
        }

        if (to->works[i].len == 0) {
            to->works[i] = from->works[i];
        }

        mdm_gauges_larger(to->works[i].late, from->works[i].late);
    }

    for (i = 0; i < from->ntopics && i < MDM_METRICS_TOPICS; i++) {
        mdm_gauges_topic_add(to, &from->topics[i]);
    }

    for (i = 0; i < from->nhooks && i < MDM_METRICS_WEBHOOKS; i++) {
        mdm_gauges_hook_add(to, &from->hooks[i]);
    }
}


/* where there is none yet, the last one stands for all that have no room */

static mdm_gauges_topic_t *
mdm_gauges_topic_other(mdm_gauges_t *to)
{
    mdm_uint_t           i;
    mdm_gauges_topic_t  *t;

    static const mdm_str_t  other = mdm_string("other");

    for (i = 0; i < MDM_METRICS_TOPICS; i++) {
        t = &to->topics[i];

        if (t->len == other.len
            && memcmp(t->data, other.data, other.len) == 0)
        {
            return t;
        }
    }

    t = &to->topics[MDM_METRICS_TOPICS - 1];

    t->len = other.len;
    memcpy(t->data, other.data, other.len);

    return t;
}


void
mdm_gauges_topic_add(mdm_gauges_t *to, const mdm_gauges_topic_t *topic)
{
    mdm_uint_t           i;
    mdm_gauges_topic_t  *t;

    if (topic->len > MDM_METRICS_TOPIC
        || mdm_gauges_shown(topic) > MDM_METRICS_TOPIC)
    {
        return;
    }

    for (i = 0; i < to->ntopics; i++) {
        t = &to->topics[i];

        if (t->len == topic->len && memcmp(t->data, topic->data, t->len) == 0) {
            break;
        }
    }

    if (i == MDM_METRICS_TOPICS) {

        t = mdm_gauges_topic_other(to);

    } else {
        t = &to->topics[i];

        if (i == to->ntopics) {
            *t = *topic;
            to->ntopics++;
        }
    }

    if (topic->not_after != 0
        && (t->not_after == 0 || topic->not_after < t->not_after))
    {
        t->not_after = topic->not_after;
    }

    mdm_gauges_larger(t->stopped, topic->stopped);
}


/* bytes of its name in the text */

static size_t
mdm_gauges_shown(const mdm_gauges_topic_t *topic)
{
    size_t  i, n;

    n = topic->len;

    for (i = 0; i < topic->len; i++) {
        n += (topic->data[i] == '"' || topic->data[i] == '\\');
    }

    return n;
}


void
mdm_gauges_hook_add(mdm_gauges_t *to, const mdm_gauges_hook_t *hook)
{
    mdm_uint_t          i;
    mdm_gauges_hook_t  *h;

    static const mdm_str_t  other = mdm_string("other");

    if (hook->len > MDM_METRICS_NAME) {
        return;
    }

    i = mdm_gauges_hook_find(to, hook->data, hook->len);

    if (i == MDM_METRICS_WEBHOOKS) {
        i = mdm_gauges_hook_find(to, other.data, other.len);
    }

    /* where there is none yet, the last one stands for all without room */

    if (i == MDM_METRICS_WEBHOOKS) {
        i--;

        to->hooks[i].len = other.len;
        memcpy(to->hooks[i].data, other.data, other.len);
    }

    h = &to->hooks[i];

    if (i == to->nhooks) {
        *h = *hook;
        to->nhooks++;
        return;
    }

    h->lag += hook->lag;

    mdm_gauges_larger(h->oldest, hook->oldest);
}


/* where there is none of the name, a place that is free, or the end */

static mdm_uint_t
mdm_gauges_hook_find(const mdm_gauges_t *gauges, const u_char *name,
    size_t len)
{
    mdm_uint_t  i;

    for (i = 0; i < gauges->nhooks; i++) {
        if (gauges->hooks[i].len == len
            && memcmp(gauges->hooks[i].data, name, len) == 0)
        {
            break;
        }
    }

    return i;
}
