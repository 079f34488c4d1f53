
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * When it is said that a push certificate ends.
 */


#include <stdio.h>

#include "mdm_push_expiry.h"

#include "mdm_date.h"
#include "mdm_quote.h"


#define MDM_PUSH_HOUR         (60 * 60)


static const int64_t  mdm_push_expiry_days[] = { 1, 2, 3, 7, 14, 30 };


mdm_push_state_e
mdm_push_state(int64_t not_after, int64_t now, mdm_uint_t stopped)
{
    if (not_after <= now) {
        return MDM_PUSH_STATE_EXPIRED;
    }

    if (stopped) {
        return MDM_PUSH_STATE_STOPPED;
    }

    return (not_after - now <= MDM_PUSH_EXPIRING * MDM_PUSH_DAY)
           ? MDM_PUSH_STATE_EXPIRING : MDM_PUSH_STATE_OK;
}


const char *
mdm_push_state_name(mdm_push_state_e state)
{
    switch (state) {

    case MDM_PUSH_STATE_EXPIRING:
        return "expiring";

    case MDM_PUSH_STATE_EXPIRED:
        return "expired";

    case MDM_PUSH_STATE_STOPPED:
        return "stopped";

    default: /* MDM_PUSH_STATE_OK */
        return "ok";
    }
}


size_t
mdm_push_expiry(int64_t not_after, int64_t now, u_char *told)
{
    int      n;
    size_t   i;
    int64_t  left;

    left = not_after - now;

    if (left <= 0) {
        n = snprintf((char *) told, MDM_PUSH_TOLD, "x%lld",
                     (long long) (-left / MDM_PUSH_HOUR));
        return (size_t) n;
    }

    /* the day before the end begins with "1" */

    if (left <= MDM_PUSH_DAY - MDM_PUSH_HOUR) {
        n = snprintf((char *) told, MDM_PUSH_TOLD, "h%lld",
                     (long long) ((MDM_PUSH_DAY - left) / MDM_PUSH_HOUR));
        return (size_t) n;
    }

    for (i = 0; i < sizeof(mdm_push_expiry_days) / sizeof(int64_t); i++) {

        if (left <= mdm_push_expiry_days[i] * MDM_PUSH_DAY) {
            n = snprintf((char *) told, MDM_PUSH_TOLD, "%lld",
                         (long long) mdm_push_expiry_days[i]);
            return (size_t) n;
        }
    }

    return 0;
}


mdm_uint_t
mdm_push_expiry_event(const mdm_str_t *told, const mdm_str_t *before)
{
    if (told->len == 0) {
        return 0;
    }

    /* the day before the end is one, and so is the end */

    if (told->data[0] == 'h') {
        return before->len == 0
               || (before->data[0] != 'h' && !mdm_str_is(before, "1"));
    }

    if (told->data[0] == 'x') {
        return before->len == 0 || before->data[0] != 'x';
    }

    return !mdm_str_eq(told, before);
}


mdm_int_t
mdm_push_expiry_line(mdm_arena_t *arena, const mdm_str_t *tenant,
    const mdm_str_t *topic, int64_t not_after, int64_t now, mdm_str_t *line)
{
    int64_t      left;
    mdm_quote_t  quote;
    const char  *shown;
    u_char       date[MDM_DATE_LEN + 1];

    memset(date, 0, sizeof(date));

    if (mdm_date_unix(date, not_after) != MDM_OK) {
        date[0] = '?';
    }

    shown = mdm_quote(&quote, (const char *) topic->data, topic->len);
    left = not_after - now;

    if (left <= 0) {
        return mdm_printf(arena, line, "push certificate of topic \"%s\", "
                          "tenant \"%.*s\", has expired on %s: none of its "
                          "devices is woken until it is renewed", shown,
                          mdm_fmt(tenant), date);
    }

    if (left <= MDM_PUSH_DAY) {
        return mdm_printf(arena, line, "push certificate of topic \"%s\", "
                          "tenant \"%.*s\", expires on %s, within %lld hours: "
                          "renew it, by the same Apple account", shown,
                          mdm_fmt(tenant), date,
                          (long long) ((left + MDM_PUSH_HOUR - 1)
                                       / MDM_PUSH_HOUR));
    }

    return mdm_printf(arena, line, "push certificate of topic \"%s\", tenant "
                      "\"%.*s\", expires on %s, within %lld days: renew it, "
                      "by the same Apple account", shown, mdm_fmt(tenant),
                      date, (long long) ((left + MDM_PUSH_DAY - 1)
                                         / MDM_PUSH_DAY));
}
