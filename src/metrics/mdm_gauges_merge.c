
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What was read of several stores, as one.
 */


#include "mdm_metrics.h"


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

        /* the last one stands for all that have no room */

        t = &to->topics[MDM_METRICS_TOPICS - 1];

        t->len = sizeof("other") - 1;
        memcpy(t->data, "other", sizeof("other") - 1);

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
