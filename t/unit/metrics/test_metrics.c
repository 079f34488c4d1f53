
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/metrics/: where things are counted, and the text.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_metrics.h"
#include "mdm_schema_table.h"


typedef struct {
    mdm_metrics_row_t         row;
    mdm_metrics_now_t         now;
    mdm_metrics_name_t        stores[MDM_METRICS_STORES];
    mdm_metrics_name_t        webhooks[MDM_METRICS_WEBHOOKS];
    mdm_gauges_t              gauges;
    mdm_metrics_t             metrics;
    mdm_metrics_out_t         out;
    u_char                    text[MDM_METRICS_TEXT + 1];
} scrape_t;


static scrape_t *
scrape_new(void)
{
    scrape_t  *s;

    s = calloc(1, sizeof(scrape_t));
    assert_non_null(s);

    s->metrics.sums = &s->row;
    s->metrics.now = &s->now;
    s->metrics.stores = s->stores;
    s->metrics.nstores = MDM_METRICS_STORES;
    s->metrics.webhooks = s->webhooks;
    s->metrics.nwebhooks = MDM_METRICS_WEBHOOKS;
    s->metrics.gauges = &s->gauges;
    s->metrics.time = 1700000000;
    s->metrics.server = "1.22.1";
    s->out.data = s->text;

    return s;
}


static void
scrape_store(scrape_t *s, mdm_uint_t i, const char *name)
{
    s->stores[i].len = strlen(name);
    memcpy(s->stores[i].data, name, strlen(name));
}


static void
scrape_webhook(scrape_t *s, mdm_uint_t i, const char *name)
{
    s->webhooks[i].len = strlen(name);
    memcpy(s->webhooks[i].data, name, strlen(name));
}


static void
scrape_write(scrape_t *s)
{
    mdm_metrics_write(&s->out, &s->metrics);

    assert_true(s->out.len <= MDM_METRICS_TEXT);

    s->text[s->out.len] = '\0';
}


/* the value of the line that begins so; -1: there is none */

static double
scrape_value(scrape_t *s, const char *line)
{
    char    *p;
    size_t   n;

    n = strlen(line);

    for (p = (char *) s->text; p != NULL; p = strchr(p, '\n')) {
        p += (*p == '\n');

        if (strncmp(p, line, n) == 0 && p[n] == ' ') {
            return strtod(p + n, NULL);
        }
    }

    return -1;
}


static mdm_str_t
str(const char *text)
{
    mdm_str_t  s;

    s.data = (u_char *) (uintptr_t) text;
    s.len = strlen(text);

    return s;
}


/* each value of a list is where its index says, and any other is "other" */

static void
test_metrics_lists(void **state)
{
    mdm_str_t   s, value;
    mdm_uint_t  i;

    (void) state;

    s = str("TokenUpdate");
    value = mdm_metrics_value(MDM_METRICS_LIST_MESSAGES,
                              mdm_metrics_message(&s));
    assert_true(mdm_str_eq(&s, &value));

    s = str("Foo");
    assert_int_equal(mdm_metrics_message(&s), MDM_METRICS_MESSAGES - 1);
    mdm_str_null(&s);
    assert_int_equal(mdm_metrics_message(&s), MDM_METRICS_MESSAGES - 1);

    value = mdm_metrics_value(MDM_METRICS_LIST_CODES, mdm_metrics_code(503));
    assert_true(mdm_str_is(&value, "503"));
    value = mdm_metrics_value(MDM_METRICS_LIST_CODES, mdm_metrics_code(410));
    assert_true(mdm_str_is(&value, "410"));
    assert_int_equal(mdm_metrics_code(599), MDM_METRICS_CODES - 1);

    for (i = 0; i < MDM_METRICS_CODES - 1; i++) {
        value = mdm_metrics_value(MDM_METRICS_LIST_CODES, i);
        assert_int_equal(mdm_metrics_code((mdm_uint_t) atoi(
                                              (char *) value.data)), i);
    }

    s = str("Idle");
    assert_int_equal(mdm_metrics_connect(&s), 0);
    s = str("NotNow");
    assert_int_equal(mdm_metrics_state(&s), MDM_METRICS_NOT_NOW);
    s = str("CommandFormatError");
    assert_int_equal(mdm_metrics_state(&s), MDM_METRICS_FORMAT_ERROR);
    s = str("Acknowledged");
    assert_int_equal(mdm_metrics_state(&s), MDM_METRICS_ACKNOWLEDGED);
    s = str("unreadable");
    assert_int_equal(mdm_metrics_state(&s), MDM_METRICS_UNREADABLE);

    /* all of the schema have room */

    assert_true(mdm_schema_commands.ncommands < MDM_METRICS_TYPES);

    for (i = 0; i < mdm_schema_commands.ncommands; i++) {
        value = mdm_metrics_value(MDM_METRICS_LIST_TYPES, i);
        assert_int_equal(mdm_metrics_type(&value), i);
    }

    s = str("com.example.Own");
    assert_int_equal(mdm_metrics_type(&s), MDM_METRICS_TYPES - 1);

    s = str("Shutdown");
    value = mdm_metrics_value(MDM_METRICS_LIST_REASONS,
                              mdm_metrics_goaway(&s));
    assert_true(mdm_str_is(&value, "Shutdown"));
    mdm_str_null(&s);
    assert_int_equal(mdm_metrics_goaway(&s), 0);
}


/* all that a push can come to has a name of its own */

static void
test_metrics_pushes(void **state)
{
    mdm_str_t   value;
    mdm_uint_t  i;

    static const struct {
        mdm_push_e   outcome;
        mdm_uint_t   status;
        const char  *name;
    } pushes[] = {
        { MDM_PUSH_ANSWERED, 200, "taken" },
        { MDM_PUSH_ANSWERED, 410, "unregistered" },
        { MDM_PUSH_ANSWERED, 429, "throttled" },
        { MDM_PUSH_ANSWERED, 400, "rejected" },
        { MDM_PUSH_ANSWERED, 503, "apns_error" },
        { MDM_PUSH_TIMEOUT, 0, "timeout" },
        { MDM_PUSH_RESET, 0, "reset" },
        { MDM_PUSH_NO_CERTIFICATE, 0, "no_certificate" },
        { MDM_PUSH_EXPIRED, 0, "expired" },
        { MDM_PUSH_REFUSED, 0, "stopped" },
        { MDM_PUSH_UNREACHABLE, 0, "unreachable" },
        { MDM_PUSH_PROXY_AUTH, 0, "proxy_auth" },
        { MDM_PUSH_PROXY_STATUS, 0, "proxy_status" },
        { MDM_PUSH_PROXY_ODD, 0, "proxy_odd" },
        { MDM_PUSH_INTERCEPTED, 0, "intercepted" },
        { MDM_PUSH_NO_HTTP2, 0, "no_http2" },
        { MDM_PUSH_PAUSED, 0, "paused" },
        { MDM_PUSH_BUSY, 0, "busy" },
        { MDM_PUSH_OFF, 0, "other" }
    };

    (void) state;

    for (i = 0; i < sizeof(pushes) / sizeof(pushes[0]); i++) {
        value = mdm_metrics_value(MDM_METRICS_LIST_OUTCOMES,
                                  mdm_metrics_push(pushes[i].outcome,
                                                   pushes[i].status));
        assert_true(mdm_str_is(&value, pushes[i].name));
    }
}


/* and all that an attempt to send an event can come to */

static void
test_metrics_deliveries(void **state)
{
    mdm_str_t   value;
    mdm_http_t  http;
    mdm_uint_t  i;

    static const struct {
        mdm_http_e   outcome;
        mdm_uint_t   status;
        const char  *name;
    } attempts[] = {
        { MDM_HTTP_ANSWERED, 200, "taken" },
        { MDM_HTTP_ANSWERED, 204, "taken" },
        { MDM_HTTP_TOO_LARGE, 201, "taken" },
        { MDM_HTTP_ANSWERED, 404, "refused" },
        { MDM_HTTP_ANSWERED, 503, "error" },
        { MDM_HTTP_TOO_LARGE, 500, "error" },
        { MDM_HTTP_ANSWERED, 302, "odd" },
        { MDM_HTTP_ANSWERED, 999, "odd" },
        { MDM_HTTP_TOO_LARGE, 0, "odd" },
        { MDM_HTTP_ODD, 0, "odd" },
        { MDM_HTTP_TIMEOUT, 0, "timeout" },
        { MDM_HTTP_UNREACHABLE, 0, "unreachable" },
        { MDM_HTTP_RESOLVE, 0, "unreachable" },
        { MDM_HTTP_PROXY, 0, "unreachable" },
        { MDM_HTTP_OFF, 0, "unreachable" },
        { MDM_HTTP_TLS, 0, "tls" },
        { MDM_HTTP_RESET, 0, "reset" },
        { MDM_HTTP_BUSY, 0, "dropped" }
    };

    (void) state;

    memset(&http, 0, sizeof(mdm_http_t));

    for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        http.outcome = attempts[i].outcome;
        http.status = attempts[i].status;

        value = mdm_metrics_value(MDM_METRICS_LIST_DELIVERIES,
                                  mdm_metrics_delivery(&http));
        assert_true(mdm_str_is(&value, attempts[i].name));
    }

    value = mdm_metrics_value(MDM_METRICS_LIST_DELIVERIES, MDM_METRICS_DEAD);
    assert_true(mdm_str_is(&value, "dead"));
}


static void
test_metrics_histogram(void **state)
{
    scrape_t         *s;
    mdm_histogram_t  *h;

    (void) state;

    assert_int_equal(mdm_metrics_bucket(MDM_METRICS_SHORT, 0), 0);
    assert_int_equal(mdm_metrics_bucket(MDM_METRICS_SHORT, 1), 0);
    assert_int_equal(mdm_metrics_bucket(MDM_METRICS_SHORT, 2), 1);
    assert_int_equal(mdm_metrics_bucket(MDM_METRICS_SHORT, 10000),
                     MDM_METRICS_BUCKETS - 2);
    assert_int_equal(mdm_metrics_bucket(MDM_METRICS_SHORT, 10001),
                     MDM_METRICS_BUCKETS - 1);
    assert_int_equal(mdm_metrics_bucket(MDM_METRICS_LONG, UINT64_MAX),
                     MDM_METRICS_BUCKETS - 1);

    s = scrape_new();
    h = &s->row.requests[1];

    h->bucket[0] = 3;
    h->bucket[2] = 4;
    h->bucket[MDM_METRICS_BUCKETS - 1] = 5;
    h->sum = 61007;

    scrape_write(s);

#define NAME  "nginx_mdm_request_duration_seconds"

    assert_true(scrape_value(s, NAME "_bucket{kind=\"connect\",le=\"0.001\"}")
                == 3);
    assert_true(scrape_value(s, NAME "_bucket{kind=\"connect\",le=\"0.002\"}")
                == 3);
    assert_true(scrape_value(s, NAME "_bucket{kind=\"connect\",le=\"0.005\"}")
                == 7);
    assert_true(scrape_value(s, NAME "_bucket{kind=\"connect\",le=\"10\"}")
                == 7);
    assert_true(scrape_value(s, NAME "_bucket{kind=\"connect\",le=\"+Inf\"}")
                == 12);
    assert_true(scrape_value(s, NAME "_count{kind=\"connect\"}") == 12);
    assert_true(scrape_value(s, NAME "_sum{kind=\"connect\"}") == 61.007);
    assert_true(scrape_value(s, NAME "_count{kind=\"api\"}") == 0);

    free(s);
}


static void
test_metrics_text(void **state)
{
    scrape_t  *s;

    (void) state;

    s = scrape_new();

    s->row.messages[0][0] = 7;
    s->row.connects[0] = 6;
    s->row.stores[1].calls = 12;
    s->row.stores[1].timeouts = 2;
    s->now.up[1] = 1;
    s->now.up[2] = 2;
    scrape_store(s, 1, "main");
    scrape_store(s, 2, "a\"b\\");

    scrape_write(s);

    assert_true(scrape_value(s, "nginx_mdm_messages_total{message=\"Connect\","
                             "code=\"200\"}") == 7);
    assert_null(strstr((char *) s->text, "code=\"204\""));
    assert_true(scrape_value(s, "nginx_mdm_connects_total{status=\"Idle\"}")
                == 6);
    assert_true(scrape_value(s, "nginx_mdm_redis_calls_total"
                             "{store=\"main\"}") == 12);
    assert_true(scrape_value(s, "nginx_mdm_redis_errors_total"
                             "{store=\"main\",kind=\"timeout\"}") == 2);
    assert_true(scrape_value(s, "nginx_mdm_redis_errors_total"
                             "{store=\"main\",kind=\"refused\"}") == 0);
    assert_true(scrape_value(s, "nginx_mdm_redis_up{store=\"main\"}") == 1);
    assert_true(scrape_value(s, "nginx_mdm_redis_up{store=\"a\\\"b\\\\\"}")
                == 0);
    assert_true(scrape_value(s, "nginx_mdm_build_info{version=\"" MDM_VERSION
                             "\",nginx=\"1.22.1\"}") == 1);

    free(s);
}


static mdm_gauges_hook_t
behind(const char *name, unsigned long lag, unsigned long oldest)
{
    mdm_gauges_hook_t  h;

    memset(&h, 0, sizeof(h));

    h.len = strlen(name);
    memcpy(h.data, name, h.len);
    h.lag = lag;
    h.oldest = oldest;

    return h;
}


/* what is counted of webhooks, and what is read of the outbox */

static void
test_metrics_webhooks(void **state)
{
    char               name[16];
    scrape_t          *s;
    mdm_uint_t         i;
    mdm_gauges_t       one;
    mdm_gauges_hook_t  h;

    (void) state;

    s = scrape_new();

    scrape_webhook(s, 0, "crm");
    scrape_webhook(s, MDM_METRICS_WEBHOOKS - 1, "other");

    s->row.webhooks[0].deliveries[0] = 5;
    s->row.webhooks[0].deliveries[MDM_METRICS_DEAD] = 1;
    s->row.webhooks[0].duration.bucket[3] = 5;
    s->row.webhooks[0].duration.sum = 40;
    s->row.webhooks[0].lost = 2;
    s->row.webhooks[MDM_METRICS_WEBHOOKS - 1].deliveries[2] = 9;
    s->row.dropped = 7;

    scrape_write(s);

#define HOOK  "nginx_mdm_webhook_"

    assert_true(scrape_value(s, HOOK "deliveries_total{webhook=\"crm\","
                             "outcome=\"taken\"}") == 5);
    assert_true(scrape_value(s, HOOK "deliveries_total{webhook=\"crm\","
                             "outcome=\"dead\"}") == 1);
    assert_true(scrape_value(s, HOOK "deliveries_total{webhook=\"crm\","
                             "outcome=\"timeout\"}") == 0);
    assert_true(scrape_value(s, HOOK "deliveries_total{webhook=\"other\","
                             "outcome=\"error\"}") == 9);
    assert_true(scrape_value(s, HOOK "duration_seconds_count{webhook=\"crm\"}")
                == 5);
    assert_true(scrape_value(s, HOOK "duration_seconds_sum{webhook=\"crm\"}")
                == 0.04);
    assert_true(scrape_value(s, HOOK "results_lost_total{webhook=\"crm\"}")
                == 2);
    assert_true(scrape_value(s, "nginx_mdm_outbox_dropped_total") == 7);
    assert_true(scrape_value(s, "nginx_mdm_outbox_events") == -1);
    assert_true(scrape_value(s, HOOK "lag_events{webhook=\"crm\"}") == -1);

    /* of two stores: sums, and what is worst */

    memset(&one, 0, sizeof(one));

    one.read = 1700000000;
    one.events = 100;
    one.full = 250;
    h = behind("crm", 10, 1500);
    mdm_gauges_hook_add(&one, &h);
    mdm_gauges_merge(&s->gauges, &one);

    one.full = 1100;
    one.hooks[0].oldest = 200;
    mdm_gauges_merge(&s->gauges, &one);

    scrape_write(s);

    assert_true(scrape_value(s, "nginx_mdm_outbox_events") == 200);
    assert_true(scrape_value(s, "nginx_mdm_outbox_fill_ratio") == 1.1);
    assert_true(scrape_value(s, HOOK "lag_events{webhook=\"crm\"}") == 20);
    assert_true(scrape_value(s, HOOK "lag_seconds{webhook=\"crm\"}") == 1.5);

    /* those that have no room are one */

    for (i = 0; i < 40; i++) {
        sprintf(name, "h%02d", (int) i);
        h = behind(name, 1, 1000 * i);
        mdm_gauges_hook_add(&s->gauges, &h);
    }

    scrape_write(s);

    assert_int_equal(s->gauges.nhooks, MDM_METRICS_WEBHOOKS);
    assert_true(scrape_value(s, HOOK "lag_events{webhook=\"other\"}")
                == 41 - (MDM_METRICS_WEBHOOKS - 1));
    assert_true(scrape_value(s, HOOK "lag_seconds{webhook=\"other\"}") == 39);
    assert_true(scrape_value(s, HOOK "lag_events{webhook=\"h00\"}") == 1);
    assert_true(scrape_value(s, HOOK "lag_events{webhook=\"h39\"}") == -1);

    /* a name that is too long is none */

    h.len = MDM_METRICS_NAME + 1;
    mdm_gauges_hook_add(&s->gauges, &h);
    assert_int_equal(s->gauges.nhooks, MDM_METRICS_WEBHOOKS);

    free(s);
}


static mdm_gauges_topic_t
topic(const char *name, unsigned long not_after, unsigned long stopped)
{
    mdm_gauges_topic_t  t;

    memset(&t, 0, sizeof(t));

    t.len = strlen(name);
    memcpy(t.data, name, t.len);
    t.not_after = not_after;
    t.stopped = stopped;

    return t;
}


static void
test_metrics_gauges(void **state)
{
    char                 name[16];
    scrape_t            *s;
    mdm_uint_t           i;
    mdm_gauges_t         one;
    mdm_gauges_topic_t   t;

    (void) state;

    s = scrape_new();

    /* what was not read is not told */

    scrape_write(s);
    assert_true(scrape_value(s, "nginx_mdm_push_owed") == -1);
    assert_true(scrape_value(s, "nginx_mdm_gauges_age_seconds") == -1);

    /* of two stores */

    memset(&one, 0, sizeof(one));

    one.read = 1700000000 - 20;
    one.owed = 3;
    one.oldest = 1500;
    one.dead = 1;
    one.enrollments = 10;
    one.works[0].len = 4;
    memcpy(one.works[0].data, "push", 4);
    one.works[0].late = 250;
    t = topic("com.apple.mgmt.a", 1800000000, 0);
    mdm_gauges_topic_add(&one, &t);

    mdm_gauges_merge(&s->gauges, &one);

    one.read = 1700000000 - 10;
    one.oldest = 500;
    one.works[0].late = 4000;
    one.topics[0].not_after = 1750000000;
    one.topics[0].stopped = 1;

    mdm_gauges_merge(&s->gauges, &one);
    scrape_write(s);

    assert_true(scrape_value(s, "nginx_mdm_push_owed") == 6);
    assert_true(scrape_value(s, "nginx_mdm_push_dead") == 2);
    assert_true(scrape_value(s, "nginx_mdm_enrollments") == 20);
    assert_true(scrape_value(s, "nginx_mdm_push_owed_oldest_seconds") == 1.5);
    assert_true(scrape_value(s, "nginx_mdm_gauges_age_seconds") == 20);
    assert_true(scrape_value(s, "nginx_mdm_work_age_seconds{kind=\"push\"}")
                == 4);
    assert_true(scrape_value(s, "nginx_mdm_push_topic_stopped"
                             "{topic=\"com.apple.mgmt.a\"}") == 1);
    assert_true(scrape_value(s, "nginx_mdm_push_certificate_expiry_timestamp_"
                             "seconds{topic=\"com.apple.mgmt.a\"}")
                == 1750000000);

    /* there is room for a hundred topics, the last of which are one */

    for (i = 0; i < 150; i++) {
        sprintf(name, "t%03d", (int) i);
        t = topic(name, 1800000000 - i, 0);
        mdm_gauges_topic_add(&s->gauges, &t);
    }

    scrape_write(s);

    assert_int_equal(s->gauges.ntopics, MDM_METRICS_TOPICS);
    assert_true(scrape_value(s, "nginx_mdm_push_topic_stopped"
                             "{topic=\"other\"}") == 0);
    assert_true(scrape_value(s, "nginx_mdm_push_certificate_expiry_timestamp_"
                             "seconds{topic=\"other\"}") == 1800000000 - 149);
    assert_true(scrape_value(s, "nginx_mdm_push_topic_stopped"
                             "{topic=\"t099\"}") == -1);

    /* what a store has had no room for is one with what others have not */

    memset(&one, 0, sizeof(one));
    t = topic("other", 1700000000, 0);
    mdm_gauges_topic_add(&one, &t);

    for (i = 0; i < 150; i++) {
        sprintf(name, "t%03d", (int) i);
        t = topic(name, 1600000000, 1);
        mdm_gauges_topic_add(&one, &t);
    }

    assert_int_equal(one.ntopics, MDM_METRICS_TOPICS);
    assert_int_equal(one.topics[0].not_after, 1600000000);
    assert_int_equal(one.topics[0].stopped, 1);
    assert_memory_equal(one.topics[MDM_METRICS_TOPICS - 1].data, "t098", 4);

    free(s);
}


/* a quote is two bytes of text: there is room for so many of a name */

static void
test_metrics_quotes(void **state)
{
    mdm_gauges_t        one;
    mdm_gauges_topic_t  t;

    (void) state;

    memset(&one, 0, sizeof(one));
    memset(&t, 0, sizeof(t));

    t.len = MDM_METRICS_TOPIC / 2;
    memset(t.data, '"', t.len);
    mdm_gauges_topic_add(&one, &t);
    assert_int_equal(one.ntopics, 1);

    t.data[0] = '\\';
    mdm_gauges_topic_add(&one, &t);
    assert_int_equal(one.ntopics, 2);

    t.data[t.len++] = 'x';
    mdm_gauges_topic_add(&one, &t);
    assert_int_equal(one.ntopics, 2);
}


/* whatever is counted, the text has room for it */

static void
test_metrics_large(void **state)
{
    char            name[MDM_METRICS_NAME + 1];
    scrape_t       *s;
    mdm_uint_t      i;
    mdm_counter_t  *cells;

    (void) state;

    s = scrape_new();

    /* a million a second, for thirty years */

    cells = (mdm_counter_t *) &s->row;

    for (i = 0; i < MDM_METRICS_CELLS; i++) {
        cells[i] = 999999999999999;
    }

    /* of the configuration: letters and the like */

    memset(name, 'x', MDM_METRICS_NAME);
    name[MDM_METRICS_NAME] = '\0';

    for (i = 0; i < MDM_METRICS_STORES; i++) {
        scrape_store(s, i, name);
        s->now.up[i] = 1;
    }

    for (i = 0; i < MDM_METRICS_WEBHOOKS; i++) {
        scrape_webhook(s, i, name);

        s->gauges.hooks[i].len = MDM_METRICS_NAME;
        s->gauges.hooks[i].lag = UINT64_MAX;
        s->gauges.hooks[i].oldest = UINT64_MAX;
        memset(s->gauges.hooks[i].data, 'x', MDM_METRICS_NAME);
    }

    s->gauges.nhooks = MDM_METRICS_WEBHOOKS;
    s->gauges.events = UINT64_MAX;
    s->gauges.full = UINT64_MAX;

    s->gauges.read = 1;
    s->gauges.ntopics = MDM_METRICS_TOPICS;

    for (i = 0; i < MDM_METRICS_TOPICS; i++) {
        s->gauges.topics[i].len = MDM_METRICS_TOPIC;
        s->gauges.topics[i].not_after = UINT64_MAX;
        memset(s->gauges.topics[i].data, 'x', MDM_METRICS_TOPIC);
    }

    for (i = 0; i < MDM_METRICS_WORKS; i++) {
        s->gauges.works[i].len = MDM_METRICS_WORK;
        memset(s->gauges.works[i].data, '"', MDM_METRICS_WORK);
    }

    scrape_write(s);

    assert_int_equal(s->out.cut, 0);
    assert_true(scrape_value(s, "nginx_mdm_build_info{version=\"" MDM_VERSION
                             "\",nginx=\"1.22.1\"}") == 1);

    free(s);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_metrics_lists),
        cmocka_unit_test(test_metrics_pushes),
        cmocka_unit_test(test_metrics_deliveries),
        cmocka_unit_test(test_metrics_histogram),
        cmocka_unit_test(test_metrics_text),
        cmocka_unit_test(test_metrics_webhooks),
        cmocka_unit_test(test_metrics_gauges),
        cmocka_unit_test(test_metrics_quotes),
        cmocka_unit_test(test_metrics_large)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
