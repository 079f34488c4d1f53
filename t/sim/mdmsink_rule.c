
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What mdmsink is told over its control socket.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mdmsink.h"


static int sink_set(sink_rule_t *rule, const char *name, const char *value);
static int sink_add_rule(char **word, int n);
static int sink_do(char **word, int n);


/* the rule for a request, which is noted */

void
sink_rule(sink_conn_t *c, sink_rule_t *found)
{
    int           i;
    sink_rule_t  *rule;

    memset(found, 0, sizeof(sink_rule_t));

    found->status = 200;
    found->size = -1;
    (void) strcpy(found->action, "answer");

    (void) pthread_mutex_lock(&sink.lock);

    for (i = 0; i < sink.nrules; i++) {
        rule = &sink.rules[i];

        if (rule->times == 0
            || (strcmp(rule->path, "*") != 0
                && strcmp(rule->path, c->path) != 0))
        {
            continue;
        }

        if (++rule->seen % rule->every != 0) {
            continue;
        }

        if (rule->times > 0) {
            rule->times--;
        }

        *found = *rule;
        break;
    }

    sink_note(c, found);

    (void) pthread_mutex_unlock(&sink.lock);
}


static int
sink_set(sink_rule_t *rule, const char *name, const char *value)
{
    size_t  i;

    static const struct {
        const char  *name;
        size_t       offset;
    } numbers[] = {
        { "times", offsetof(sink_rule_t, times) },
        { "every", offsetof(sink_rule_t, every) },
        { "delay", offsetof(sink_rule_t, delay) },
        { "head", offsetof(sink_rule_t, head) },
        { "body", offsetof(sink_rule_t, body) },
        { "size", offsetof(sink_rule_t, size) },
        { "chunked", offsetof(sink_rule_t, chunked) },
        { "close", offsetof(sink_rule_t, close) }
    };

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {

        if (strcmp(name, numbers[i].name) == 0) {
            *(long *) (void *) ((char *) rule + numbers[i].offset)
                = strtol(value, NULL, 10);
            return 1;
        }
    }

    if (strcmp(name, "retry") == 0) {
        (void) snprintf(rule->retry, sizeof(rule->retry), "%s", value);
        return 1;
    }

    if (strcmp(name, "action") == 0) {
        (void) snprintf(rule->action, sizeof(rule->action), "%s", value);
        return strstr(" answer none close middle reset garbage headers ",
                      rule->action)
               != NULL;
    }

    return 0;
}


/* rule PATH STATUS [NAME=VALUE …] */

static int
sink_add_rule(char **word, int n)
{
    int           i;
    char         *value;
    sink_rule_t  *rule;

    if (n < 3 || sink.nrules == SINK_RULES) {
        return 0;
    }

    rule = &sink.rules[sink.nrules];

    memset(rule, 0, sizeof(sink_rule_t));

    (void) snprintf(rule->path, sizeof(rule->path), "%s", word[1]);
    (void) strcpy(rule->action, "answer");
    rule->status = atoi(word[2]);
    rule->times = -1;
    rule->every = 1;
    rule->size = -1;

    for (i = 3; i < n; i++) {
        value = strchr(word[i], '=');

        if (value == NULL) {
            return 0;
        }

        *value++ = '\0';

        if (!sink_set(rule, word[i], value) || rule->every < 1) {
            return 0;
        }
    }

    sink.nrules++;

    return 1;
}


static int
sink_do(char **word, int n)
{
    int  i;

    if (n == 0) {
        return 0;
    }

    if (strcmp(word[0], "rule") == 0) {
        return sink_add_rule(word, n);
    }

    if (strcmp(word[0], "clear") == 0) {
        sink.nrules = 0;
        sink.accepted = sink.requests = sink.bad = 0;
        return 1;
    }

    if (strcmp(word[0], "drop") == 0) {

        for (i = 0; i < SINK_CONNS; i++) {

            if (sink.open[i] != -1) {
                (void) shutdown(sink.open[i], SHUT_RDWR);
            }
        }

        return 1;
    }

    if (strcmp(word[0], "certificate") == 0 && n == 3) {
        return sink_certificate(word[1], word[2]);
    }

    if (strcmp(word[0], "listen") == 0 && n == 2) {

        if (strcmp(word[1], "on") == 0 && sink.listening == -1) {
            sink.listening = sink_listen();

        } else if (strcmp(word[1], "off") == 0 && sink.listening != -1) {
            (void) close(sink.listening);
            sink.listening = -1;
        }

        return 1;
    }

    return 0;
}


void
sink_command(char *line, FILE *out)
{
    int    i, n, ok;
    char  *word[16], *p;

    n = 0;

    for (p = strtok(line, " \r\n"); p != NULL && n < 16;
         p = strtok(NULL, " \r\n"))
    {
        word[n++] = p;
    }

    (void) pthread_mutex_lock(&sink.lock);

    if (n == 1 && strcmp(word[0], "stat") == 0) {
        ok = 0;

        for (i = 0; i < SINK_CONNS; i++) {
            ok += (sink.open[i] != -1);
        }

        fprintf(out, "accepted %ld open %d requests %ld bad %ld\n",
                sink.accepted, ok, sink.requests, sink.bad);

    } else {
        ok = sink_do(word, n);
        fprintf(out, ok ? "ok\n" : "error\n");
    }

    (void) pthread_mutex_unlock(&sink.lock);
    (void) fflush(out);
}
