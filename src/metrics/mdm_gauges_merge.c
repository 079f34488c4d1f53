
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What was read of several stores, as one.
 */


#include "mdm_metrics.h"


static mdm_gauges_topic_t *mdm_gauges_topic_other(mdm_gauges_t *to);


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

    mdm_gauges_larger(to->oldest, from->oldest);

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

    if (topic->len > MDM_METRICS_TOPIC) {
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
