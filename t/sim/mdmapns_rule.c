
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The stand-in for APNs: what it is told over its control socket.
 */


#include <stdlib.h>
#include <string.h>
#include <openssl/x509_vfy.h>

#include "mdmapns.h"


#define APNS_WORDS  15


static void apns_do_stat(char *out, size_t size);
static int apns_do_clear(char **word, int n);
static int apns_do_streams(char **word, int n);
static int apns_do_goaway(char **word, int n);
static int apns_do_conns(char **word, int n);
static int apns_do_alpn(char **word, int n);
static int apns_do_client(char **word, int n);
static int apns_do_certificate(char **word, int n);
static int apns_do_listen(char **word, int n);
static int apns_add_rule(char **word, int n);
static int apns_set(const char *name, long value);


static const struct {
    const char               *name;
    apns_action_e             action;
} apns_actions[] = {
    { "answer", APNS_ANSWER },
    { "none", APNS_NONE },
    { "refuse", APNS_REFUSE },
    { "reset", APNS_RESET },
    { "large", APNS_LARGE },
    { NULL, APNS_ANSWER }
};


/* 1, or 0: that cannot be */

static const struct {
    const char               *name;
    int                       words;       /* at least */
    int                     (*run)(char **word, int n);
} apns_verbs[] = {
    { "rule", 3, apns_add_rule },
    { "clear", 1, apns_do_clear },
    { "streams-now", 2, apns_do_streams },
    { "goaway", 1, apns_do_goaway },
    { "goaway-as", 1, apns_do_goaway },
    { "freeze", 1, apns_do_conns },
    { "drop", 1, apns_do_conns },
    { "alpn", 2, apns_do_alpn },
    { "client", 2, apns_do_client },
    { "certificate", 3, apns_do_certificate },
    { "listen", 2, apns_do_listen },
    { NULL, 0, NULL }
};


/* numbers by name */

static const struct {
    const char               *name;
    size_t                    offset;
    int                       wide;        /* 1: a long, 0: an int */
} apns_values[] = {
    { "streams", offsetof(apns_t, streams), 1 },
    { "streams-taken", offsetof(apns_t, streams_taken), 1 },
    { "streams-bad", offsetof(apns_t, streams_bad), 1 },
    { "stall", offsetof(apns_t, stall), 0 },
    { "deaf", offsetof(apns_t, deaf), 0 },
    { "delay", offsetof(apns_t, delay), 1 },
    { "early", offsetof(apns_t, early), 0 },
    { "reset-after", offsetof(apns_t, reset_after), 1 },
    { "reset-times", offsetof(apns_t, reset_times), 1 },
    { "goaway-after", offsetof(apns_t, goaway_after), 1 },
    { "goaway-times", offsetof(apns_t, goaway_times), 1 },
    { NULL, 0, 0 }
};


void
apns_command(char *line, apns_control_t *c, char *out, size_t size)
{
    int    i, n;
    char  *word[APNS_WORDS + 1], *p;

    n = 0;

    for (p = strtok(line, " \r\n"); p != NULL && n < APNS_WORDS;
         p = strtok(NULL, " \r\n"))
    {
        word[n++] = p;
    }

    word[n] = NULL;

    (void) snprintf(out, size, "ok\n");

    if (n == 0) {
        return;
    }

    if (strcmp(word[0], "stat") == 0) {
        apns_do_stat(out, size);
        return;
    }

    if (strcmp(word[0], "device") == 0 && n == 2) {
        out[0] = '\0';
        apns_device_here(word[1], c);
        return;
    }

    if (n == 2 && apns_set(word[0], strtol(word[1], NULL, 10))) {
        return;
    }

    for (i = 0; apns_verbs[i].name != NULL; i++) {

        if (strcmp(word[0], apns_verbs[i].name) == 0
            && n >= apns_verbs[i].words && apns_verbs[i].run(word, n))
        {
            return;
        }
    }

    (void) snprintf(out, size, "error: %s\n", word[0]);
}


static void
apns_do_stat(char *out, size_t size)
{
    int           n;
    apns_conn_t  *c;

    n = 0;

    for (c = apns.conns; c != NULL; c = c->next) {
        n += !c->dead;
    }

    (void) snprintf(out, size, "accepted %ld open %d requests %ld pings %ld "
                    "goaways %ld most %ld span %lld\n", apns.accepted, n,
                    apns.requests, apns.pings, apns.goaways, apns.most,
                    apns.last - apns.first);
}


static int
apns_do_clear(char **word, int n)
{
    (void) word;
    (void) n;

    apns.nrules = 0;
    apns.accepted = apns.requests = apns.pings = 0;
    apns.goaways = apns.most = 0;
    apns.first = apns.last = 0;

    return 1;
}


static int
apns_do_streams(char **word, int n)
{
    apns_conn_t  *c;

    (void) n;

    for (c = apns.conns; c != NULL; c = c->next) {
        if (c->session != NULL) {
            apns_http_streams(c, strtol(word[1], NULL, 10));
        }
    }

    return 1;
}


/* goaway: now; goaway-as: as it will be */

static int
apns_do_goaway(char **word, int n)
{
    int           i;
    apns_conn_t  *c;

    apns.goaway_reason[0] = '\0';
    apns.goaway_last = 0;

    for (i = 1; i < n; i++) {

        if (strncmp(word[i], "reason=", 7) == 0) {
            (void) snprintf(apns.goaway_reason, APNS_TEXT, "%s", word[i] + 7);

        } else if (strcmp(word[i], "last=none") == 0) {
            apns.goaway_last = 1;

        } else if (strcmp(word[i], "last=middle") == 0) {
            apns.goaway_last = 2;

        } else {
            return 0;
        }
    }

    for (c = apns.conns; c != NULL && word[0][6] == '\0'; c = c->next) {
        if (c->session != NULL) {
            apns_http_goaway(c, apns.goaway_reason, apns.goaway_last);
        }
    }

    return 1;
}


/* freeze, drop */

static int
apns_do_conns(char **word, int n)
{
    apns_conn_t  *c;

    (void) n;

    for (c = apns.conns; c != NULL; c = c->next) {
        c->frozen |= (word[0][0] == 'f');
        c->dead |= (word[0][0] == 'd');
    }

    return 1;
}


static int
apns_do_alpn(char **word, int n)
{
    (void) n;

    apns.alpn = (strcmp(word[1], "h2") == 0) ? 0
                : (strcmp(word[1], "none") == 0) ? 2 : 1;

    return 1;
}


static int
apns_do_client(char **word, int n)
{
    apns.verdict_delay = (n > 2) ? atol(word[2]) : 0;
    apns.verdict = (strcmp(word[1], "expired") == 0)
                   ? X509_V_ERR_CERT_HAS_EXPIRED
                   : (strcmp(word[1], "revoked") == 0)
                     ? X509_V_ERR_CERT_REVOKED : 0;

    return 1;
}


static int
apns_do_certificate(char **word, int n)
{
    (void) n;

    return apns_certificate(word[1], word[2]) == 0;
}


static int
apns_do_listen(char **word, int n)
{
    (void) n;

    return apns_listen(strcmp(word[1], "on") == 0) == 0;
}


static int
apns_set(const char *name, long value)
{
    int    i;
    char  *place;

    for (i = 0; apns_values[i].name != NULL; i++) {

        if (strcmp(apns_values[i].name, name) == 0) {
            place = (char *) &apns + apns_values[i].offset;

            if (apns_values[i].wide) {
                *(long *) (void *) place = value;

            } else {
                *(int *) (void *) place = (int) value;
            }

            return 1;
        }
    }

    return 0;
}


/* rule TOKEN STATUS [REASON] [NAME=VALUE …] */

static int
apns_add_rule(char **word, int n)
{
    int           i, k;
    char         *value;
    apns_rule_t  *rule;

    if (apns.nrules == APNS_RULES) {
        return 0;
    }

    rule = &apns.rules[apns.nrules];

    memset(rule, 0, sizeof(apns_rule_t));

    (void) snprintf(rule->token, sizeof(rule->token), "%s", word[1]);

    rule->status = atoi(word[2]);
    rule->times = -1;
    rule->share = 100;
    rule->every = 1;

    for (i = 3; i < n; i++) {
        value = strchr(word[i], '=');

        if (value == NULL) {
            (void) snprintf(rule->reason, sizeof(rule->reason), "%s",
                            word[i]);
            continue;
        }

        *value++ = '\0';

        if (strcmp(word[i], "retry") == 0) {
            rule->retry_after = atol(value);

        } else if (strcmp(word[i], "timestamp") == 0) {
            rule->timestamp = atoll(value);

        } else if (strcmp(word[i], "times") == 0) {
            rule->times = atol(value);

        } else if (strcmp(word[i], "share") == 0) {
            rule->share = atol(value);

        } else if (strcmp(word[i], "every") == 0) {
            rule->every = atol(value);

        } else if (strcmp(word[i], "delay") == 0) {
            rule->delay = atol(value);

        } else if (strcmp(word[i], "action") == 0) {

            for (k = 0; apns_actions[k].name != NULL; k++) {
                if (strcmp(apns_actions[k].name, value) == 0) {
                    rule->action = apns_actions[k].action;
                    break;
                }
            }

            if (apns_actions[k].name == NULL) {
                return 0;
            }

        } else {
            return 0;
        }
    }

    apns.nrules++;

    return 1;
}


void
apns_rule(const char *token, apns_rule_t *found)
{
    int           i;
    apns_rule_t  *rule;

    for (i = 0; i < apns.nrules; i++) {
        rule = &apns.rules[i];

        if (rule->times == 0
            || (strcmp(rule->token, "*") != 0
                && strcmp(rule->token, token) != 0))
        {
            continue;
        }

        rule->seen++;

        if (rule->seen % rule->every != 0
            || (rule->seen * rule->share) / 100
               == ((rule->seen - 1) * rule->share) / 100)
        {
            continue;
        }

        if (rule->times > 0) {
            rule->times--;
        }

        *found = *rule;
        return;
    }

    memset(found, 0, sizeof(apns_rule_t));
    found->status = 200;
}
