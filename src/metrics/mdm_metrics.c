
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The lists of label values, and where things are in them.
 */


#include "mdm_metrics.h"
#include "mdm_schema_table.h"


/* the fixed lists; a bucket of a histogram each */

typedef struct {
    const mdm_str_t          *values;
    mdm_uint_t                n;
} mdm_metrics_values_t;


static mdm_uint_t mdm_metrics_find(mdm_metrics_list_e list,
    const mdm_str_t *value);


/* what comes most often stands in front */

static const mdm_str_t  mdm_metrics_messages[MDM_METRICS_MESSAGES] = {
    mdm_string("Connect"),
    mdm_string("DeclarativeManagement"),
    mdm_string("TokenUpdate"),
    mdm_string("Authenticate"),
    mdm_string("CheckOut"),
    mdm_string("UserAuthenticate"),
    mdm_string("SetBootstrapToken"),
    mdm_string("GetBootstrapToken"),
    mdm_string("GetToken"),
    mdm_string("ReturnToService"),
    mdm_string("auth"),
    mdm_string("other")
};


static const mdm_str_t  mdm_metrics_codes[MDM_METRICS_CODES] = {
    mdm_string("200"), mdm_string("204"), mdm_string("302"),
    mdm_string("400"), mdm_string("401"), mdm_string("403"),
    mdm_string("404"), mdm_string("405"), mdm_string("408"),
    mdm_string("409"), mdm_string("410"), mdm_string("413"),
    mdm_string("415"), mdm_string("425"), mdm_string("499"),
    mdm_string("500"), mdm_string("503"), mdm_string("other")
};


/* the same */

static const mdm_uint_t  mdm_metrics_code_numbers[MDM_METRICS_CODES - 1] = {
    200, 204, 302, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 425, 499,
    500, 503
};


/* in the order of mdm_report_status_e, but for the one that is none */

static const mdm_str_t  mdm_metrics_connects[MDM_METRICS_CONNECTS] = {
    mdm_string("Idle"),
    mdm_string("Acknowledged"),
    mdm_string("Error"),
    mdm_string("CommandFormatError"),
    mdm_string("NotNow"),
    mdm_string("unreadable"),
    mdm_string("other")
};


static const mdm_str_t  mdm_metrics_states[MDM_METRICS_STATES] = {
    mdm_string("queued"),
    mdm_string("sent"),
    mdm_string("acknowledged"),
    mdm_string("error"),
    mdm_string("format_error"),
    mdm_string("not_now"),
    mdm_string("unreadable")
};


static const mdm_str_t  mdm_metrics_kinds[MDM_METRICS_KINDS] = {
    mdm_string("checkin"),
    mdm_string("connect"),
    mdm_string("api"),
    mdm_string("scep"),
    mdm_string("enroll")
};


/* answers of APNs, then mdm_push_e from MDM_PUSH_TIMEOUT on */

#define MDM_METRICS_ANSWERS   5

static const mdm_str_t  mdm_metrics_outcomes[MDM_METRICS_OUTCOMES] = {
    mdm_string("taken"),
    mdm_string("unregistered"),
    mdm_string("throttled"),
    mdm_string("rejected"),
    mdm_string("apns_error"),
    mdm_string("timeout"),
    mdm_string("reset"),
    mdm_string("no_certificate"),
    mdm_string("expired"),
    mdm_string("stopped"),
    mdm_string("unreachable"),
    mdm_string("proxy_auth"),
    mdm_string("proxy_status"),
    mdm_string("proxy_odd"),
    mdm_string("intercepted"),
    mdm_string("no_http2"),
    mdm_string("paused"),
    mdm_string("busy"),
    mdm_string("other")
};


static const mdm_str_t  mdm_metrics_reasons[MDM_METRICS_REASONS] = {
    mdm_string("none"),
    mdm_string("Shutdown"),
    mdm_string("IdleTimeout"),
    mdm_string("InternalServerError"),
    mdm_string("ServiceUnavailable"),
    mdm_string("BadCertificate"),
    mdm_string("BadCertificateEnvironment"),
    mdm_string("ExpiredCertificate"),
    mdm_string("other")
};


/* in the order of mdm_metrics_store_t */

static const mdm_str_t  mdm_metrics_errors[] = {
    mdm_string("refused"),
    mdm_string("timeout"),
    mdm_string("unavailable"),
    mdm_string("script"),
    mdm_string("unconfirmed")
};


/* of attempts, and of events that were given up: mdm_metrics_delivery() */

static const mdm_str_t  mdm_metrics_deliveries[MDM_METRICS_DELIVERIES] = {
    mdm_string("taken"),
    mdm_string("refused"),
    mdm_string("error"),
    mdm_string("odd"),
    mdm_string("timeout"),
    mdm_string("unreachable"),
    mdm_string("tls"),
    mdm_string("reset"),
    mdm_string("dead"),
    mdm_string("dropped")
};


#define mdm_metrics_values(list)                                              \
    { list, sizeof(list) / sizeof(mdm_str_t) }

static const mdm_metrics_values_t  mdm_metrics_lists[] = {
    { NULL, 0 },
    mdm_metrics_values(mdm_metrics_messages),
    mdm_metrics_values(mdm_metrics_codes),
    mdm_metrics_values(mdm_metrics_connects),
    { NULL, 0 },                           /* of the schema */
    mdm_metrics_values(mdm_metrics_states),
    mdm_metrics_values(mdm_metrics_kinds),
    mdm_metrics_values(mdm_metrics_outcomes),
    mdm_metrics_values(mdm_metrics_reasons),
    mdm_metrics_values(mdm_metrics_errors),
    mdm_metrics_values(mdm_metrics_deliveries),
    { NULL, 0 },
    { NULL, 0 }
};


static const uint64_t  mdm_metrics_short[MDM_METRICS_BUCKETS - 1] = {
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000
};


static const uint64_t  mdm_metrics_long[MDM_METRICS_BUCKETS - 1] = {
    1000, 5000, 15000, 60000, 300000, 900000, 3600000, 14400000, 43200000,
    86400000, 259200000, 604800000
};


mdm_str_t
mdm_metrics_value(mdm_metrics_list_e list, mdm_uint_t i)
{
    mdm_str_t                    s;
    const mdm_schema_table_t    *table;
    const mdm_metrics_values_t  *values;

    mdm_str_null(&s);

    if (list == MDM_METRICS_LIST_TYPES) {
        table = &mdm_schema_commands;

        if (i == MDM_METRICS_TYPES - 1) {
            mdm_str_set(&s, "other");

        } else if (i < table->ncommands) {
            s.data = (u_char *) (uintptr_t) (table->pool
                                             + table->nodes[i].name);
            s.len = strlen((const char *) s.data);
        }

        return s;
    }

    values = &mdm_metrics_lists[list];

    return (i < values->n) ? values->values[i] : s;
}


static mdm_uint_t
mdm_metrics_find(mdm_metrics_list_e list, const mdm_str_t *value)
{
    mdm_uint_t                   i;
    const mdm_metrics_values_t  *values;

    values = &mdm_metrics_lists[list];

    for (i = 0; i < values->n - 1; i++) {
        if (mdm_str_eq(value, &values->values[i])) {
            break;
        }
    }

    return i;
}


mdm_uint_t
mdm_metrics_message(const mdm_str_t *name)
{
    return mdm_metrics_find(MDM_METRICS_LIST_MESSAGES, name);
}


mdm_uint_t
mdm_metrics_code(mdm_uint_t status)
{
    mdm_uint_t  i;

    for (i = 0; i < MDM_METRICS_CODES - 1; i++) {
        if (status == mdm_metrics_code_numbers[i]) {
            break;
        }
    }

    return i;
}


mdm_uint_t
mdm_metrics_connect(const mdm_str_t *status)
{
    return mdm_metrics_find(MDM_METRICS_LIST_CONNECTS, status);
}


mdm_uint_t
mdm_metrics_state(const mdm_str_t *status)
{
    mdm_uint_t  i;

    /* the answers stand behind Idle, and behind those that are none */

    i = mdm_metrics_connect(status);

    if (i == 0 || i >= MDM_METRICS_CONNECTS - 1) {
        return MDM_METRICS_UNREADABLE;
    }

    return MDM_METRICS_ACKNOWLEDGED + i - 1;
}


mdm_uint_t
mdm_metrics_kind(mdm_kind_e kind)
{
    switch (kind) {

    case MDM_KIND_CHECKIN:
        return 0;

    case MDM_KIND_CONNECT:
        return 1;

    case MDM_KIND_API:
        return 2;

    case MDM_KIND_SCEP:
        return 3;

    case MDM_KIND_ENROLL:
        return 4;

    default: /* another handler answers behind mdm_auth */
        return MDM_METRICS_KINDS;
    }
}


mdm_uint_t
mdm_metrics_type(const mdm_str_t *request_type)
{
    mdm_uint_t                i;
    const mdm_schema_node_t  *node;

    node = mdm_schema_find(&mdm_schema_commands, request_type);

    if (node == NULL) {
        return MDM_METRICS_TYPES - 1;
    }

    i = (mdm_uint_t) (node - mdm_schema_commands.nodes);

    return (i < MDM_METRICS_TYPES - 1) ? i : MDM_METRICS_TYPES - 1;
}


mdm_uint_t
mdm_metrics_goaway(const mdm_str_t *reason)
{
    return (reason->len == 0) ? 0
                              : mdm_metrics_find(MDM_METRICS_LIST_REASONS,
                                                 reason);
}


mdm_uint_t
mdm_metrics_push(mdm_push_e outcome, mdm_uint_t status)
{
    mdm_uint_t  i;

    if (outcome == MDM_PUSH_ANSWERED) {

        if (status == 200) {
            return 0;
        }

        if (status >= 500) {
            return MDM_METRICS_ANSWERS - 1;
        }

        return (status == 410) ? 1 : (status == 429) ? 2 : 3;
    }

    if (outcome < MDM_PUSH_TIMEOUT) {
        return MDM_METRICS_OUTCOMES - 1;
    }

    i = MDM_METRICS_ANSWERS + (mdm_uint_t) (outcome - MDM_PUSH_TIMEOUT);

    return (i < MDM_METRICS_OUTCOMES) ? i : MDM_METRICS_OUTCOMES - 1;
}


mdm_uint_t
mdm_metrics_delivery(const mdm_http_t *http)
{
    switch (http->outcome) {

    case MDM_HTTP_ANSWERED:
    case MDM_HTTP_TOO_LARGE:

        switch (http->status / 100) {

        case 2:
            return 0;

        case 4:
            return 1;

        case 5:
            return 2;

        default:
            return 3;
        }

    case MDM_HTTP_TIMEOUT:
        return 4;

    case MDM_HTTP_UNREACHABLE:
    case MDM_HTTP_RESOLVE:
    case MDM_HTTP_PROXY:
    case MDM_HTTP_OFF:
        return 5;

    case MDM_HTTP_TLS:
        return 6;

    case MDM_HTTP_RESET:
        return 7;

    case MDM_HTTP_BUSY: /* it was never sent */
        return MDM_METRICS_DROPPED;

    default: /* MDM_HTTP_ODD */
        return 3;
    }
}


const uint64_t *
mdm_metrics_limits(mdm_metrics_limits_e limits)
{
    return (limits == MDM_METRICS_SHORT) ? mdm_metrics_short
                                         : mdm_metrics_long;
}


mdm_uint_t
mdm_metrics_bucket(mdm_metrics_limits_e limits, uint64_t ms)
{
    mdm_uint_t       i;
    const uint64_t  *limit;

    limit = mdm_metrics_limits(limits);

    for (i = 0; i < MDM_METRICS_BUCKETS - 1; i++) {
        if (ms <= limit[i]) {
            break;
        }
    }

    return i;
}
